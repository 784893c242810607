//! NaN bits: what arithmetic makes is canonical wherever it is seen, what is moved keeps its bits. The reference is
//! wasmtime's own rule, which makes every result canonical at once.

use super::engines::{plain, wasmi, wasmtime};
use super::{UNIFORM, metered, wat};

/// Bodies that store eight or sixteen bytes somewhere below 4096; the whole memory is compared.
pub(super) fn bodies() -> Vec<String> {
    let quiet = "(f64.reinterpret_i64 (i64.const 0x7ff8dead00000001))";
    let negative = "(f64.reinterpret_i64 (i64.const 0xfff8000000000000))";
    let mut bodies = vec![
        // Moved bits stay.
        format!("(f64.store (i32.const 0) {quiet})"),
        "(f64.store (i32.const 0) (f64.load (i32.const 4088)))".into(),
        "(local.set $x (f64.load (i32.const 4088))) (f64.store (i32.const 0) (local.get $x))".into(),
        format!("(f64.store (i32.const 0) (select (f64.add {quiet} (f64.const 1)) {quiet} (i32.const 0)))"),
        format!("(f64.store (i32.const 0) (select (f64.add {quiet} (f64.const 1)) {quiet} (i32.const 1)))"),
        format!("(f64.store (i32.const 0) (block (result f64) {quiet}))"),
        // A variable that holds both kinds.
        format!(
            "(local.set $x {quiet}) (if (i32.load (i32.const 4080)) (then (local.set $x (f64.add (local.get $x) (f64.const 1)))))
             (f64.store (i32.const 0) (local.get $x))"
        ),
        format!(
            "(local.set $x {quiet}) (if (i32.eqz (i32.load (i32.const 4080))) (then (local.set $x (f64.add (local.get $x) (f64.const 1)))))
             (f64.store (i32.const 0) (local.get $x))"
        ),
        // Through a loop: an accumulator.
        format!(
            "(local.set $x (f64.const 0)) (loop $l (local.set $x (f64.sub (local.get $x) {negative}))
               (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
             (f64.store (i32.const 0) (local.get $x))"
        ),
        format!(
            "(local.set $x (f64.load (i32.const 4088))) (loop $l (local.set $x (f64.sub (local.get $x) {negative}))
               (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
             (f64.store (i32.const 0) (local.get $x))"
        ),
        // Fixed bits and arithmetic's in one variable that is only computed with, and one that is stored behind it.
        format!(
            "(local.set $x {quiet}) (if (i32.load (i32.const 4088)) (then (local.set $x (f64.sub (f64.const inf) (f64.const inf)))))
             (local.set $y (f64.neg (local.get $x))) (f64.store (i32.const 0) (f64.add (local.get $y) (f64.const 1)))"
        ),
        format!(
            "(local.set $x {quiet}) (if (i32.load (i32.const 4088)) (then (local.set $x (f64.sub (f64.const inf) (f64.const inf)))))
             (local.set $y (local.get $x)) (f64.store (i32.const 0) (f64.neg (local.get $y)))"
        ),
        format!(
            "(local.set $x {quiet}) (local.set $y (f64.mul {negative} (f64.const 2)))
             (if (i32.load (i32.const 4088)) (then (local.set $x (local.get $y))))
             (f64.store (i32.const 0) (local.get $x)) (f64.store (i32.const 8) (f64.abs (local.get $y)))"
        ),
        // A vector that was made in either shape, computed with in either, and seen.
        "(local.set $v (f32x4.mul (v128.const i32x4 0x7fc00001 0xffc00000 0x7f800000 0) (v128.const i32x4 0x7fc00001 0 0 0)))
         (if (i32.load (i32.const 4080)) (then (local.set $v (f64x2.sqrt (v128.const f64x2 -1 -1)))))
         (v128.store (i32.const 0) (f64x2.add (local.get $v) (v128.const f64x2 0 0)))"
            .into(),
        "(local.set $v (f32x4.mul (v128.const i32x4 0x7fc00001 0xffc00000 0x7f800000 0) (v128.const i32x4 0x7fc00001 0 0 0)))
         (if (i32.load (i32.const 4088)) (then (local.set $v (f64x2.sqrt (v128.const f64x2 -1 -1)))))
         (v128.store (i32.const 0) (f64x2.neg (local.get $v)))"
            .into(),
        // A double whose half looks like a float's NaN, in a variable that also holds floats.
        "(local.set $v (f64x2.convert_low_i32x4_s (v128.const i32x4 0x7fffffff 0 0 0))) (v128.store (i32.const 0) (local.get $v))
         (local.set $v (f32x4.add (v128.load (i32.const 16)) (v128.load (i32.const 32)))) (v128.store (i32.const 16) (local.get $v))"
            .into(),
        // A sign that was changed stays, by whatever way the value goes on.
        "(local.set $x (f64.neg (f64.sub (f64.const inf) (f64.const inf)))) (f64.store (i32.const 0) (local.get $x))".into(),
        format!("(local.set $x (f64.neg (f64.abs (f64.mul {quiet} (f64.const 2))))) (f64.store (i32.const 0) (local.get $x))"),
        format!(
            "(f64.store (i32.const 0) (local.tee $x (f64.copysign (f64.mul {quiet} (f64.const 2)) (f64.const -1))))
             (f64.store (i32.const 8) (local.get $x))"
        ),
        format!("(f64.store (i32.const 0) (block (result f64) (f64.neg (f64.mul {quiet} (f64.const 2)))))"),
        format!(
            "(f64.store (i32.const 0) (select (f64.neg (f64.mul {quiet} (f64.const 2))) (f64.mul {quiet} (f64.const 2)) (i32.const 1)))
             (f64.store (i32.const 8) (select (f64.neg (f64.mul {quiet} (f64.const 2))) (f64.mul {quiet} (f64.const 2)) (i32.const 0)))"
        ),
        format!(
            "(local.set $x (f64.mul {negative} (f64.const 2))) (local.set $y (f64.neg (local.get $x)))
             (f64.store (i32.const 0) (f64.neg (local.get $y))) (f64.store (i32.const 8) (local.get $y))"
        ),
        "(local.set $v (f32x4.neg (f64x2.sqrt (v128.const f64x2 -1 4)))) (v128.store (i32.const 0) (local.get $v))".into(),
        "(local.set $v (f64x2.neg (f64x2.sqrt (v128.const f64x2 -1 4)))) (v128.store (i32.const 0) (f64x2.abs (local.get $v)))".into(),
        // Seen by other means than a store.
        format!("(i64.store (i32.const 0) (i64.reinterpret_f64 (f64.mul {negative} (f64.const 2))))"),
        format!("(f64.store (i32.const 0) (f64.neg (f64.mul {negative} (f64.const 2))))"),
        format!("(f64.store (i32.const 0) (f64.abs (f64.mul {negative} (f64.const 2))))"),
        format!("(f64.store (i32.const 0) (f64.copysign (f64.const 1) (f64.mul {negative} (f64.const 2))))"),
        format!("(f64.store (i32.const 0) (f64.copysign (f64.mul {quiet} (f64.const 2)) (f64.const -1)))"),
        format!("(f64.store (i32.const 0) (f64.neg (f64.abs (f64.neg (f64.sqrt {negative})))))"),
        format!("(f64.store (i32.const 0) (f64.copysign (f64.neg (f64.mul {quiet} (f64.const 2))) (f64.mul {quiet} (f64.const 2))))"),
        format!("(f32.store (i32.const 0) (f32.neg (f32.demote_f64 {quiet}))) (f32.store (i32.const 4) (f32.abs (f32.demote_f64 {negative})))"),
        format!("(local.set $x (f64.mul {negative} (f64.const 2))) (f64.store (i32.const 0) (f64.neg (local.get $x))) (f64.store (i32.const 8) (local.get $x))"),
        format!("(f64.store (i32.const 0) (call $same (f64.mul {quiet} (f64.const 2))))"),
        format!("(f64.store (i32.const 0) (call $twice {quiet}))"),
        format!("(global.set $g (f64.mul {negative} (f64.const 2))) (f64.store (i32.const 0) (global.get $g))"),
        format!("(v128.store (i32.const 0) (f64x2.splat (f64.mul {negative} (f64.const 2))))"),
        format!("(f32.store (i32.const 0) (f32.demote_f64 {quiet}))"),
        format!("(f64.store (i32.const 0) (f64.promote_f32 (f32.reinterpret_i32 (i32.const 0xffc12345))))"),
        format!("(f64.store (i32.const 0) (block $b (result f64) (drop (br_if $b (f64.mul {quiet} (f64.const 2)) (i32.const 1))) {quiet}))"),
        format!("(f64.store (i32.const 0) (block $b (result f64) (drop (br_if $b (f64.mul {quiet} (f64.const 2)) (i32.const 0))) {quiet}))"),
        format!("(f64.store (i32.const 0) (if (result f64) (i32.const 1) (then (f64.mul {quiet} (f64.const 2))) (else {quiet})))"),
        format!("(call $two) (local.set $x) (local.set $y) (f64.store (i32.const 0) (local.get $x)) (f64.store (i32.const 8) (local.get $y))"),
        format!("(f64.store (i32.const 0) (local.tee $x (f64.mul {quiet} (f64.const 2)))) (f64.store (i32.const 8) (f64.neg (local.get $x)))"),
    ];
    for operator in ["add", "sub", "mul", "div", "min", "max"] {
        for (left, right) in
            [(quiet, negative), (negative, quiet), (quiet, "(f64.const 1)"), ("(f64.const 1)", negative)]
        {
            bodies.push(format!("(f64.store (i32.const 0) (f64.{operator} {left} {right}))"));
        }
        let lanes = "(v128.const i64x2 0x7ff8dead00000001 0x3ff0000000000000)";
        let words = "(v128.const i32x4 0x7fc00001 0xffc00000 0x3f800000 0)";
        bodies.push(format!("(v128.store (i32.const 0) (f64x2.{operator} {lanes} {lanes}))"));
        bodies.push(format!("(v128.store (i32.const 0) (f32x4.{operator} {words} {words}))"));
        // One shape's result read as the other shape.
        bodies.push(format!(
            "(v128.store (i32.const 0) (f64x2.add (f32x4.{operator} {words} {words}) {lanes}))"
        ));
        for sign in ["neg", "abs"] {
            bodies.push(format!(
                "(v128.store (i32.const 0) (f64x2.{sign} (f64x2.{operator} {lanes} {lanes})))"
            ));
            bodies.push(format!(
                "(v128.store (i32.const 0) (f64x2.{sign} (f32x4.{operator} {words} {words})))"
            ));
            bodies.push(format!(
                "(v128.store (i32.const 0) (f64x2.add (f32x4.{sign} (f64x2.{operator} {lanes} {lanes})) {lanes}))"
            ));
        }
        bodies.push(format!("(v128.store (i32.const 0) (v128.not (f64x2.{operator} {lanes} {lanes})))"));
        bodies.push(format!(
            "(local.set $v (f32x4.{operator} {words} {words})) (if (i32.const 1) (then (local.set $v (f64x2.{operator} {lanes} {lanes})))) (v128.store (i32.const 0) (local.get $v))"
        ));
    }
    // Where what is stored is looked at in memory: what is infinite has the same exponent and stays; and at any offset.
    for (one, other) in
        [("inf", "1"), ("-inf", "1"), ("inf", "-inf"), ("-inf", "-inf"), ("0x1p+1023", "0x1p+1023")]
    {
        for address in ["offset=8 (i32.const 0)", "offset=1 (i32.const 2)", "(i32.const 5)"] {
            bodies.push(format!("(f64.store {address} (f64.sub (f64.const {one}) (f64.const {other})))"));
        }
    }
    for (one, other) in
        [("inf", "1"), ("-inf", "1"), ("inf", "inf"), ("-inf", "-inf"), ("0x1p+127", "-0x1p+127")]
    {
        for address in ["offset=8 (i32.const 0)", "offset=1 (i32.const 2)", "(i32.const 5)"] {
            bodies.push(format!("(f32.store {address} (f32.sub (f32.const {one}) (f32.const {other})))"));
        }
    }
    for operator in ["sqrt", "ceil", "floor", "trunc", "nearest"] {
        bodies.push(format!("(f64.store (i32.const 0) (f64.{operator} {negative}))"));
        bodies.push(format!(
            "(f32.store (i32.const 0) (f32.{operator} (f32.reinterpret_i32 (i32.const 0xffc12345))))"
        ));
    }
    let after_a_quotient: Vec<_> = bodies.iter().map(|body| format!("{QUOTIENT} {body}")).collect();
    bodies.extend(after_a_quotient);
    bodies
}

/// Behind it what is stored is looked at in memory, and before it in a register.
const QUOTIENT: &str = "(drop (f64.div (f64.const 1) (f64.const 3)))";

pub(super) fn module(body: &str) -> Vec<u8> {
    wat(&format!(
        r#"(module (memory (export "memory") 1) (global $g (mut f64) (f64.const 0))
             (data (i32.const 4088) "\01\00\00\00\ad\de\f8\7f")
             (func $same (param f64) (result f64) (local.get 0))
             (func $twice (param f64) (result f64) (f64.add (local.get 0) (local.get 0)))
             (func $two (result f64 f64) (f64.sub (f64.const inf) (f64.const inf)) (f64.load (i32.const 4088)))
             (func (export "_start") (local $x f64) (local $y f64) (local $i i32) (local $v v128) {body}))"#
    ))
}

#[test]
fn the_bits_are_those_of_the_rule_that_makes_every_result_canonical() {
    for body in bodies() {
        let module = module(&body);
        let (result, expected) = plain(&module, "_start", 1_000_000);
        result.unwrap_or_else(|e| panic!("{body}: {e:#}"));
        let rewritten = metered(&module, &UNIFORM);
        for (engine, end) in
            [("wasmtime", wasmtime(&rewritten, 1_000_000)), ("wasmi", wasmi(&rewritten, 1_000_000))]
        {
            assert_eq!(end.memory[..16], expected[..16], "{engine}: {body}");
        }
    }
}

#[test]
fn nothing_is_added_where_no_bits_are_seen() {
    let with = |body: &str| metered(&module(body), &UNIFORM).len();
    let without = |body: &str| {
        let options = brizo_meter::Options { canonical_nans: false, ..UNIFORM };
        metered(&module(body), &options).len()
    };
    let unseen = [
        "(if (f64.lt (f64.add (f64.load (i32.const 0)) (f64.const 1)) (f64.const 3)) (then (i32.store (i32.const 0) (i32.const 1))))",
        "(i32.store (i32.const 0) (i32.trunc_sat_f64_s (f64.sqrt (f64.load (i32.const 0)))))",
        "(f64.store (i32.const 0) (f64.load (i32.const 8)))",
        "(f64.store (i32.const 0) (f64.convert_i32_s (i32.const 8)))",
        "(i32.store (i32.const 0) (f64.lt (f64.neg (f64.sqrt (f64.load (i32.const 0)))) (f64.const 3)))",
        "(if (i32.load (i32.const 0)) (then (local.set $x (f64.load (i32.const 0)))) (else (local.set $x (f64.sqrt (local.get $y)))))
         (local.set $y (f64.abs (local.get $x))) (i32.store (i32.const 0) (f64.lt (local.get $y) (f64.const 3)))",
    ];
    // The functions around the program have something to hide.
    let around = with("") - without("");
    for body in unseen {
        assert_eq!(with(body), without(body) + around, "{body}");
    }
    let seen = "(f64.store (i32.const 0) (f64.add (f64.load (i32.const 8)) (f64.const 1)))";
    assert!(with(seen) > without(seen) + around);
}

/// Such a store is looked at before: behind it the upper half of the number would have no address.
#[test]
fn a_store_behind_the_last_address_ends_the_run_and_no_other() {
    for (store, trapped) in [
        ("(f64.store offset=0xfffffffc (i32.const 0) (f64.sub (f64.const inf) (f64.const inf)))", true),
        ("(f64.store offset=0xfffffffb (i32.const 0) (f64.sub (f64.const inf) (f64.const inf)))", true),
        ("(f64.store offset=0xffff (i32.const 0xffffffff) (f64.sub (f64.const inf) (f64.const inf)))", true),
        ("(f64.store offset=0xfff8 (i32.const 0) (f64.sub (f64.const inf) (f64.const inf)))", false),
        ("(f32.store offset=0xfffffffc (i32.const 0) (f32.sub (f32.const inf) (f32.const inf)))", true),
        ("(f32.store offset=0xfffc (i32.const 0) (f32.sub (f32.const inf) (f32.const inf)))", false),
    ] {
        for store in [store.to_string(), format!("{QUOTIENT} {store}")] {
            let rewritten = metered(&module(&store), &UNIFORM);
            let (one, other) = (wasmtime(&rewritten, 1_000_000), wasmi(&rewritten, 1_000_000));
            assert_eq!((one.trapped, other.trapped), (trapped, trapped), "{store}");
            assert_eq!(one, other, "{store}");
        }
    }
}
