//! Loops that are paid for many turns at once: nobody can see it, at no limit and on no trap.

use brizo_meter::Options;

use super::engines::{wasmi, wasmtime};
use super::{UNIFORM, metered, wat};

const EACH: Options = Options { turns_at_once: false, ..UNIFORM };

/// A loop: how its counter begins and goes on, and when it comes back.
#[derive(Debug, Clone)]
struct Form {
    ty: &'static str,
    relation: &'static str,
    start: i64,
    bound: i64,
    step: i64,
    /// Whether the counter is compared before it goes on.
    early: bool,
    /// Whether the bound stands on the left.
    mirrored: bool,
    /// Whether a turn may trap: it loads from where the counter points.
    loads: bool,
    /// Stores besides, which make a turn longer.
    stores: u64,
    /// How a number that is stored is computed, if one is.
    number: Option<&'static str>,
    /// Whether the loop has a result.
    result: bool,
}

impl Form {
    fn text(&self, name: usize) -> String {
        let Self { ty, relation, start, bound, step, early, mirrored, loads, .. } = self;
        let next = format!("(local.set $i (i32.add (local.get $i) (i32.const {step})))").replace("i32", ty);
        let (before, after) = if *early { ("", next.as_str()) } else { (next.as_str(), "") };
        let (i, to) = (format!("(local.get ${ty})"), format!("(local.get $to_{ty})"));
        let sides = if *mirrored { format!("{to} {i}") } else { format!("{i} {to}") };
        let narrow = if *ty == "i32" { i.clone() } else { format!("(i32.wrap_i64 {i})") };
        let place = if *loads { narrow.clone() } else { format!("(i32.and {narrow} (i32.const 4095))") };
        let [before, after] = [before, after]
            .map(|text| text.replace("$i ", &format!("${ty} ")).replace("$i)", &format!("${ty})")));
        let stores = "(i32.store (i32.const 8200) (local.get $turns))".repeat(self.stores as usize);
        let number = self
            .number
            .map_or(String::new(), |number| format!("(f64.store (i32.const 8300) (f64.{number}))"));
        let (result, drops) = if self.result { ("(result i32)", "(i32.const 1)) (drop)") } else { ("", ")") };
        // Twice, in a loop around it. The condition is made before the counter goes on, or after it.
        format!(
            "(local.set $again (i32.const 2))
             (loop $again{name} (local.set ${ty} ({ty}.const {start})) (local.set $to_{ty} ({ty}.const {bound}))
             (loop $l{name} {result}
               (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
               (i32.store (i32.const 8192) (i32.add (i32.load8_u {place}) (local.get $turns)))
               (i32.store8 (i32.and {narrow} (i32.const 4095)) (local.get $turns))
               {stores} {number} {before} ({ty}.{relation} {sides}) {after} (br_if $l{name}) {drops}
             (br_if $again{name} (local.tee $again (i32.sub (local.get $again) (i32.const 1)))))
             (if (i32.gt_u (local.get $turns) (i32.const 2000)) (then (return)))"
        )
    }
}

fn program(forms: &[Form]) -> Vec<u8> {
    let loops: String = forms.iter().enumerate().map(|(name, form)| form.text(name)).collect();
    wat(&format!(
        "(module (memory (export \"memory\") 1)
           (func (export \"_start\") (local $i32 i32) (local $to_i32 i32) (local $i64 i64) (local $to_i64 i64) (local $turns i32) (local $again i32) {loops}))"
    ))
}

/// Numbers from a counter.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Small, at an edge, or near one.
    fn number(&mut self, wide: bool) -> i64 {
        let edges = if wide {
            [0, i64::MAX, i64::MIN, -1, 1 << 32]
        } else {
            [0, 0x7fff_ffff, -0x8000_0000, -1, 65_536]
        };
        let near = self.below(41) as i64 - 20;
        let far = self.below(9_000) as i64;
        match self.below(3) {
            0 => far,
            _ => {
                let number = self.of(&edges).wrapping_add(near);
                if wide { number } else { i64::from(number as i32) }
            }
        }
    }

    fn form(&mut self) -> Form {
        let wide = self.below(3) == 0;
        let relation = self.of(&["ne", "lt_u", "lt_s", "le_u", "le_s", "gt_u", "gt_s", "ge_u", "ge_s"]);
        let step = self.of(&[1, 1, 2, 3, 4, 8, 24, 1000, 32_768]) * self.of(&[1, -1]);
        let start = self.number(wide);
        // Half of them have the bound ahead, at the distance of some turns.
        let turns = if self.below(2) == 0 { self.below(4) } else { self.below(400) } as i64;
        let ahead = start.wrapping_add(step * turns + self.below(3) as i64 - 1);
        let ahead = if wide { ahead } else { i64::from(ahead as i32) };
        let bound = if self.below(2) == 0 { ahead } else { self.number(wide) };
        Form {
            ty: if wide { "i64" } else { "i32" },
            relation,
            start,
            bound,
            step,
            early: self.below(3) == 0,
            mirrored: self.below(3) == 0,
            loads: self.below(8) == 0,
            stores: self.of(&[0, 0, 1, 7, 50]),
            number: self.of(&[
                None,
                None,
                Some("add (f64.load (i32.const 8304)) (f64.const inf)"),
                Some("sqrt (f64.load (i32.const 8304))"),
            ]),
            result: self.below(4) == 0,
        }
    }
}

#[test]
fn random_loops_end_as_if_each_turn_were_paid_for() {
    let mut dice = Dice(0x5eed);
    let (mut ahead, mut trapped, mut out_of_fuel) = (0, 0, 0);
    for round in 0..300 {
        let forms: Vec<Form> = (0..6).map(|_| dice.form()).collect();
        let module = program(&forms);
        let costs = dice.of(&[UNIFORM.costs, Options::PROFILE.costs]);
        let (at_once, each) =
            (metered(&module, &Options { costs, ..UNIFORM }), metered(&module, &Options { costs, ..EACH }));
        ahead += usize::from(at_once != each);
        let limits = [dice.below(3_000), dice.below(66_000), 65_500 + dice.below(70), 150_000];
        for limit in limits.map(|limit| limit as i64) {
            let expected = wasmtime(&each, limit);
            assert_eq!(wasmtime(&at_once, limit), expected, "{round}, {limit}: {forms:#?}");
            trapped += usize::from(expected.trapped && expected.fuel >= 0);
            out_of_fuel += usize::from(expected.fuel < 0);
        }
        if round % 8 == 0 {
            let limit = dice.below(70_000) as i64;
            assert_eq!(wasmi(&at_once, limit), wasmi(&each, limit), "{round}, {limit}: {forms:#?}");
        }
    }
    // The dice make what this test is for.
    assert!(ahead > 250 && trapped > 100 && out_of_fuel > 300, "{ahead} {trapped} {out_of_fuel}");
}

pub(super) fn function(body: &str) -> Vec<u8> {
    wat(&format!(
        "(module (memory (export \"memory\") 1) (func $quiet)
           (func (export \"_start\") (local $i i32) (local $j i32) (local $n i32) (local $wide i64) (local $end i64)
             (local.set $n (i32.const 100)) (local.set $end (i64.const 7777)) {body}))"
    ))
}

/// What compilers make of loops: the comparison as a value, with zero, with what each turn computes anew, and so on.
pub(super) fn counted() -> Vec<String> {
    let next = "(local.tee $i (i32.add (local.get $i) (i32.const 2)))";
    vec![
        "(local.set $i (local.get $n)) (loop $l (local.tee $i (i32.add (local.get $i) (i32.const -2))) br_if $l)".into(),
        "(local.set $i (local.get $n)) (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 4)))))".into(),
        format!("(loop $l (br_if $l (i32.ne (i32.and (local.get $n) (i32.const -2)) {next})))"),
        format!("(loop $l (br_if $l (i32.ne {next} (i32.and (local.get $n) (i32.const -2)))))"),
        format!("(loop $l (br_if $l (i32.lt_u {next} (local.get $n))) (i32.store (i32.const 0) (local.get $i)))"),
        format!("(loop $l (br_if $l (i32.gt_s (local.get $n) {next})))"),
        "(loop $l (local.set $wide (i64.add (i64.const 1) (local.get $wide))) (br_if $l (i64.ne (local.get $wide) (local.get $end))))".into(),
        // Two additions, and the bound is a number.
        format!("(loop $l (drop {next}) (br_if $l (i32.ne {next} (i32.const 84))))"),
        // Not at the end of the loop: what follows is done once.
        format!("(loop $l (br_if $l (i32.lt_u {next} (local.get $n))) (br_if $l (i32.eqz (local.tee $j (i32.sub (i32.const 1) (local.get $j))))))"),
    ]
}

#[test]
fn forms_that_compilers_write_are_paid_at_once() {
    for body in counted() {
        let module = function(&body);
        let (at_once, each) = (metered(&module, &UNIFORM), metered(&module, &EACH));
        assert!(at_once != each, "{body}");
        for limit in (0..200).chain((200..2_000).step_by(97)).chain([100_000]) {
            assert_eq!(wasmi(&at_once, limit), wasmi(&each, limit), "{limit}: {body}");
        }
        assert_eq!(wasmtime(&at_once, 100_000), wasmtime(&each, 100_000), "{body}");
    }
}

/// A step, a bound or a way back that is not the same in all turns, and turns that hold something else to pay.
#[test]
fn what_is_not_certain_is_paid_turn_by_turn() {
    let next = "(local.tee $i (i32.add (local.get $i) (i32.const 1)))";
    let long = "(i32.store (i32.const 0) (i32.const 1))".repeat(100);
    let forms = [
        "(loop $l (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (local.get $n))) (i32.const 100))))".into(),
        "(loop $l (br_if $l (local.tee $i (i32.shl (local.get $i) (i32.const 1)))))".into(),
        // The bound is set in the turn: after it was read, before, and by a tee.
        format!("(loop $l (i32.ne {next} (local.get $n)) (local.set $n (i32.const 9)) (br_if $l))"),
        format!("(loop $l (local.set $n (i32.load (i32.const 0))) (br_if $l (i32.lt_u {next} (local.get $n))))"),
        format!("(loop $l (br_if $l (i32.lt_u {next} (local.tee $n (i32.load (i32.const 0))))))"),
        // It is loaded, or may trap.
        format!("(loop $l (br_if $l (i32.lt_u {next} (i32.load (i32.const 0)))))"),
        format!("(loop $l (br_if $l (i32.lt_u {next} (i32.div_u (local.get $n) (local.get $n)))))"),
        // Two counters, and one that is set to another one.
        format!("(loop $l (local.set $j (i32.add (local.get $j) (i32.const 1))) (br_if $l (i32.lt_u {next} (local.get $j))))"),
        "(loop $l (local.set $i (i32.add (local.get $j) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (local.get $n))))".into(),
        "(loop $l (i32.lt_u (local.get $j) (local.get $n)) (local.set $j (i32.add (local.get $i) (i32.const 1))) (br_if $l))".into(),
        // It goes the wrong way, or stands still.
        format!("(loop $l (br_if $l (i32.gt_u {next} (local.get $n))))"),
        "(loop $l (br_if $l (i32.lt_u (local.get $i) (i32.const 0))))".into(),
        "(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 32769))) (local.get $n))))".into(),
        // Something else is in the way.
        format!("(loop $l (call $quiet) (br_if $l (i32.lt_u {next} (local.get $n))))"),
        format!("(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 8)) (br_if $l (i32.lt_u {next} (local.get $n))))"),
        format!("(loop $l (drop (memory.grow (i32.const 0))) (br_if $l (i32.lt_u {next} (local.get $n))))"),
        format!("(block $b (loop $l (br_if $b (i32.load (i32.const 0))) (br_if $l (i32.lt_u {next} (local.get $n)))))"),
        format!("(loop $l (if (local.get $j) (then (nop))) (br_if $l (i32.lt_u {next} (local.get $n))))"),
        format!("(loop $l (block $b (br_if $l (i32.lt_u {next} (local.get $n)))))"),
        format!("(loop $l (i32.const 7) (br_if $l (i32.lt_u {next} (local.get $n))) (drop))"),
        format!("(i32.const 1) (loop $l (param i32) (br_if $l (i32.lt_u {next} (local.get $n))) (drop))"),
        format!("(i32.const 1) (loop $l (param i32) (local.set $j) (local.get $i) (br_if $l (i32.lt_u {next} (local.get $n))) (drop))"),
        format!("(loop $l {long} (br_if $l (i32.lt_u {next} (local.get $n))))"),
        format!("(loop $l (br_if $l (i32.eqz (i32.lt_u {next} (local.get $n)))))"),
        // Something else is done while the bound is made.
        format!("(loop $l {next} (local.get $n) (local.set $j (i32.const 7)) (i32.const 3) (i32.add) (i32.lt_u) (br_if $l))"),
        format!("(loop $l {next} (local.get $n) (i32.const 3) (local.set $j (i32.const 7)) (i32.add) (i32.lt_u) (br_if $l))"),
        // The bound is long.
        format!("(loop $l (br_if $l (i32.lt_u {next} {})))", "(i32.add (local.get $n) ".repeat(4) + "(local.get $n)" + &")".repeat(4)),
        // In a function that catches exceptions each region puts its fuel on record.
        format!("(block $h (try_table (catch_all $h) (call $quiet))) (loop $l (br_if $l (i32.lt_u {next} (local.get $n))))"),
    ];
    for body in forms {
        let module = function(&body);
        assert!(metered(&module, &UNIFORM) == metered(&module, &EACH), "{body}");
    }
}

/// Compilers take their time for many such loops where there are many variables, or operands below the loop.
#[test]
fn in_a_function_with_many_variables_few_loops_are_paid_ahead() {
    let turns = "(loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))".repeat(100);
    let grown = |variables: usize, operands: usize| {
        let (below, drops) = ("(i32.const 1)".repeat(operands), "(drop)".repeat(operands));
        let module = wat(&format!(
            "(module (func (export \"_start\") (local $i i32) (local {}) {below} {turns} {drops}))",
            "i32 ".repeat(variables)
        ));
        metered(&module, &UNIFORM).len() - metered(&module, &EACH).len()
    };
    let all = grown(10, 0);
    for few in [grown(3_000, 0), grown(10, 3_000)] {
        assert!(few > 0 && few < all / 5, "{few} of {all}");
    }
}

#[test]
fn a_costly_turn_is_paid_for_by_itself() {
    let module = function(&counted()[0]);
    for (branch, at_once) in [(1, true), (1 << 11, false)] {
        let options = Options { costs: brizo_meter::Costs { branch, ..UNIFORM.costs }, ..UNIFORM };
        let each = Options { turns_at_once: false, ..options };
        assert_eq!(metered(&module, &options) != metered(&module, &each), at_once);
    }
}
