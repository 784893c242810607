//! Interfaces one by one, called by small components in text.

use brizo::sandbox::Order;
use brizo_receipt::{Status, TrapCode};

use super::super::{order, run};
use super::command;

/// Runs a component that imports interfaces and whose core code returns a number that must be 0.
fn ends(
    more: &str,
    imports: &str,
    core: &str,
    change: impl FnOnce(&mut Order),
) -> (Status, u32, Option<TrapCode>) {
    let mut order = order(&[]);
    change(&mut order);
    let (ending, _) = run(&command(more, imports, core), &order);
    (ending.status, ending.exit_code, ending.trap)
}

const GOOD: (Status, u32, Option<TrapCode>) = (Status::Exit, 0, None);

const CLOCKS: &str = "
    (import \"wasi:io/poll@0.2.1\" (instance $poll
        (export \"pollable\" (type $p (sub resource)))
        (export \"[method]pollable.block\" (func (param \"self\" (borrow $p))))
        (export \"[method]pollable.ready\" (func (param \"self\" (borrow $p)) (result bool)))
        (export \"poll\" (func (param \"in\" (list (borrow $p))) (result (list u32))))))
    (alias export $poll \"pollable\" (type $p))
    (import \"wasi:clocks/monotonic-clock@0.2.1\" (instance $clock
        (alias outer 1 $p (type $q)) (export \"pollable\" (type $r (eq $q)))
        (export \"now\" (func (result u64)))
        (export \"subscribe-duration\" (func (param \"when\" u64) (result (own $r))))))
    (core module $memory (memory (export \"memory\") 1)
        (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024))
    (core instance $mem (instantiate $memory))
    (core func $now (canon lower (func $clock \"now\")))
    (core func $in (canon lower (func $clock \"subscribe-duration\")))
    (core func $block (canon lower (func $poll \"[method]pollable.block\")))
    (core func $ready (canon lower (func $poll \"[method]pollable.ready\")))
    (core func $poll (canon lower (func $poll \"poll\") (memory (core memory $mem \"memory\")) (realloc (core func $mem \"realloc\"))))
    (core func $drop (canon resource.drop $p))
    (core instance $w (export \"now\" (func $now)) (export \"in\" (func $in)) (export \"block\" (func $block))
        (export \"ready\" (func $ready)) (export \"poll\" (func $poll)) (export \"drop\" (func $drop))
        (export \"memory\" (memory $mem \"memory\")))";

const CLOCK_CODE: &str = "
    (import \"w\" \"now\" (func $now (result i64)))
    (import \"w\" \"in\" (func $in (param i64) (result i32)))
    (import \"w\" \"block\" (func $block (param i32)))
    (import \"w\" \"ready\" (func $ready (param i32) (result i32)))
    (import \"w\" \"poll\" (func $poll (param i32 i32 i32)))
    (import \"w\" \"drop\" (func $drop (param i32)))
    (import \"w\" \"memory\" (memory 1))";

fn clock(body: &str, change: impl FnOnce(&mut Order)) -> (Status, u32, Option<TrapCode>) {
    let core =
        format!("{CLOCK_CODE} (func (export \"run\") (result i32) (local $p i32) (local $t i64) {body})");
    ends(CLOCKS, "(with \"w\" (instance $w))", &core, change)
}

#[test]
fn waiting_moves_the_virtual_time_to_its_deadline() {
    // now: 0, step 1000; a deadline of 1000 + 5 s; after it the next reading is exactly there.
    let body = "(drop (call $now)) (call $block (call $in (i64.const 5000000000)))
        (i64.ne (call $now) (i64.const 5000001000))";
    assert_eq!(clock(body, |order| order.clock_step = 1_000), GOOD);
}

#[test]
fn poll_gives_what_is_due_first() {
    let body = "
        (i32.store (i32.const 0) (call $in (i64.const 900)))
        (i32.store (i32.const 4) (call $in (i64.const 300)))
        (i32.store (i32.const 8) (call $in (i64.const 300)))
        (call $poll (i32.const 0) (i32.const 3) (i32.const 64))
        ;; two of them, the second and the third
        (if (i32.ne (i32.load (i32.const 68)) (i32.const 2)) (then (return (i32.const 1))))
        (if (i64.ne (i64.load (i32.load (i32.const 64))) (i64.const 0x200000001)) (then (return (i32.const 1))))
        (i64.ne (call $now) (i64.const 300))";
    assert_eq!(clock(body, |_| {}), GOOD);
}

#[test]
fn asking_whether_a_clock_is_due_lets_time_pass() {
    let body = "(local.set $p (call $in (i64.const 100000)))
        (block $due (loop $again (br_if $due (call $ready (local.get $p))) (br $again)))
        (i64.lt_u (call $now) (i64.const 100000))";
    assert_eq!(clock(body, |order| order.clock_step = 1_000), GOOD);
}

#[test]
fn polling_nothing_is_a_breach() {
    let body = "(call $poll (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)";
    assert_eq!(clock(body, |_| {}), (Status::Trap, 0, Some(TrapCode::BadPointer)));
}

#[test]
fn handles_are_bounded_and_dropping_gives_them_back() {
    let hoard = "(loop $l (drop (call $in (i64.const 1))) (br $l)) (i32.const 0)";
    assert_eq!(
        clock(hoard, |order| order.limits.fuel = 1 << 40),
        (Status::Trap, 0, Some(TrapCode::BadPointer))
    );
    let frugal = "(loop $l (call $drop (call $in (i64.const 1)))
        (br_if $l (i64.lt_u (local.tee $t (i64.add (local.get $t) (i64.const 1))) (i64.const 70000))))
        (i32.const 0)";
    assert_eq!(clock(frugal, |order| order.limits.fuel = 1 << 40), GOOD);
}

#[test]
fn a_handle_that_is_not_there_is_a_breach() {
    assert_eq!(
        clock("(call $block (i32.const 77)) (i32.const 0)", |_| {}),
        (Status::Trap, 0, Some(TrapCode::BadPointer))
    );
    let twice = "(local.set $p (call $in (i64.const 1))) (call $drop (local.get $p)) (call $drop (local.get $p)) (i32.const 0)";
    assert_eq!(clock(twice, |_| {}), (Status::Trap, 0, Some(TrapCode::BadPointer)));
}

const SOCKETS: &str = "
    (import \"wasi:sockets/network@0.2.0\" (instance $network
        (export \"network\" (type (sub resource)))
        (type $codes (enum \"unknown\" \"access-denied\" \"not-supported\" \"invalid-argument\" \"out-of-memory\"
            \"timeout\" \"concurrency-conflict\" \"not-in-progress\" \"would-block\" \"invalid-state\"
            \"new-socket-limit\" \"address-not-bindable\" \"address-in-use\" \"remote-unreachable\"
            \"connection-refused\" \"connection-reset\" \"connection-aborted\" \"datagram-too-large\"
            \"name-unresolvable\" \"temporary-resolver-failure\" \"permanent-resolver-failure\"))
        (export \"error-code\" (type (eq $codes)))
        (type $families (enum \"ipv4\" \"ipv6\"))
        (export \"ip-address-family\" (type (eq $families)))))
    (alias export $network \"network\" (type $net))
    (alias export $network \"error-code\" (type $code))
    (alias export $network \"ip-address-family\" (type $family))
    (import \"wasi:sockets/instance-network@0.2.0\" (instance $instance
        (alias outer 1 $net (type $n)) (export \"network\" (type $m (eq $n)))
        (export \"instance-network\" (func (result (own $m))))))
    (import \"wasi:sockets/tcp@0.2.0\" (instance $tcp (export \"tcp-socket\" (type (sub resource)))))
    (alias export $tcp \"tcp-socket\" (type $socket))
    (import \"wasi:sockets/tcp-create-socket@0.2.0\" (instance $create
        (alias outer 1 $code (type $c)) (export \"error-code\" (type $d (eq $c)))
        (alias outer 1 $family (type $f)) (export \"ip-address-family\" (type $g (eq $f)))
        (alias outer 1 $socket (type $s)) (export \"tcp-socket\" (type $t (eq $s)))
        (export \"create-tcp-socket\" (func (param \"address-family\" $g) (result (result (own $t) (error $d)))))))
    (core module $memory (memory (export \"memory\") 1))
    (core instance $mem (instantiate $memory))
    (core func $network (canon lower (func $instance \"instance-network\")))
    (core func $create (canon lower (func $create \"create-tcp-socket\") (memory (core memory $mem \"memory\"))))
    (core func $drop (canon resource.drop $net))
    (core instance $w (export \"network\" (func $network)) (export \"create\" (func $create))
        (export \"drop\" (func $drop)) (export \"memory\" (memory $mem \"memory\")))";

#[test]
fn a_socket_is_refused_with_an_error_that_the_guest_can_handle() {
    // result: error (1) at 64, its code not-supported (2) behind the alignment of a handle
    let core = "(import \"w\" \"network\" (func $network (result i32)))
        (import \"w\" \"create\" (func $create (param i32 i32)))
        (import \"w\" \"drop\" (func $drop (param i32)))
        (import \"w\" \"memory\" (memory 1))
        (func (export \"run\") (result i32)
            (call $drop (call $network))
            (call $create (i32.const 0) (i32.const 64))
            (i32.or (i32.ne (i32.load8_u (i32.const 64)) (i32.const 1))
                    (i32.ne (i32.load8_u (i32.const 68)) (i32.const 2))))";
    assert_eq!(ends(SOCKETS, "(with \"w\" (instance $w))", core, |_| {}), GOOD);
}

#[test]
fn http_without_an_error_to_answer_with_is_a_trap() {
    let more = "(import \"wasi:http/types@0.2.0\" (instance $types
            (export \"fields\" (type $f (sub resource)))
            (export \"[constructor]fields\" (func (result (own $f))))))
        (core func $new (canon lower (func $types \"[constructor]fields\")))
        (core instance $w (export \"new\" (func $new)))";
    let core = "(import \"w\" \"new\" (func $new (result i32)))
        (func (export \"run\") (result i32) (drop (call $new)) (i32.const 0))";
    assert_eq!(
        ends(more, "(with \"w\" (instance $w))", core, |_| {}),
        (Status::Trap, 0, Some(TrapCode::Unreachable))
    );
}

const RANDOM: &str = "
    (import \"wasi:random/random@0.2.0\" (instance $random
        (export \"get-random-bytes\" (func (param \"len\" u64) (result (list u8))))
        (export \"get-random-u64\" (func (result u64)))))
    (import \"wasi:cli/exit@0.2.12\" (instance $exit
        (export \"exit-with-code\" (func (param \"status-code\" u8)))))
    (core module $memory (memory (export \"memory\") 1)
        (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export \"astray\") (param i32 i32 i32 i32) (result i32) i32.const -8))
    (core instance $mem (instantiate $memory))
    (core func $bytes (canon lower (func $random \"get-random-bytes\")
        (memory (core memory $mem \"memory\")) (realloc (core func $mem \"realloc\"))))
    (core func $astray (canon lower (func $random \"get-random-bytes\")
        (memory (core memory $mem \"memory\")) (realloc (core func $mem \"astray\"))))
    (core func $number (canon lower (func $random \"get-random-u64\")))
    (core func $exit (canon lower (func $exit \"exit-with-code\")))
    (core instance $w (export \"bytes\" (func $bytes)) (export \"astray\" (func $astray))
        (export \"number\" (func $number)) (export \"exit\" (func $exit)) (export \"memory\" (memory $mem \"memory\")))";

const RANDOM_CODE: &str = "
    (import \"w\" \"bytes\" (func $bytes (param i64 i32)))
    (import \"w\" \"astray\" (func $astray (param i64 i32)))
    (import \"w\" \"number\" (func $number (result i64)))
    (import \"w\" \"exit\" (func $exit (param i32)))
    (import \"w\" \"memory\" (memory 1))";

fn random(body: &str, change: impl FnOnce(&mut Order)) -> (Status, u32, Option<TrapCode>) {
    let core = format!("{RANDOM_CODE} (func (export \"run\") (result i32) {body})");
    ends(RANDOM, "(with \"w\" (instance $w))", &core, change)
}

#[test]
fn random_numbers_are_one_stream() {
    // Sixteen bytes in one call, then eight: the stream of another run gives the first eight as a number.
    let code_of = |body: &str| match random(body, |_| {}) {
        (Status::Exit, code, None) => code,
        other => panic!("{other:?}"),
    };
    let first = "(i32.and (i32.wrap_i64 (call $number)) (i32.const 255))";
    let bytes = "(call $bytes (i64.const 16) (i32.const 64))";
    let number = code_of(&format!("(call $exit {first}) (i32.const 0)"));
    let byte = code_of(&format!("{bytes} (call $exit (i32.load8_u (i32.const 1024))) (i32.const 0)"));
    assert_eq!(number, byte, "lowest byte first");
    let third = code_of(&format!("{bytes} (call $exit {first}) (i32.const 0)"));
    let again =
        code_of(&format!("(drop (call $number)) (drop (call $number)) (call $exit {first}) (i32.const 0)"));
    assert_eq!(third, again, "sixteen bytes are two numbers");
}

#[test]
fn exit_codes_are_kept() {
    for code in [0u32, 1, 42, 255] {
        assert_eq!(
            random(&format!("(call $exit (i32.const {code})) (i32.const 1)"), |_| {}),
            (Status::Exit, code, None)
        );
    }
}

#[test]
fn results_that_lead_out_of_the_memory_are_a_breach() {
    let breach = (Status::Trap, 0, Some(TrapCode::BadPointer));
    assert_eq!(random("(call $astray (i64.const 16) (i32.const 64)) (i32.const 0)", |_| {}), breach);
    assert_eq!(random("(call $bytes (i64.const 16) (i32.const 65533)) (i32.const 0)", |_| {}), breach);
    assert_eq!(
        random("(call $bytes (i64.const 100000000) (i32.const 64)) (i32.const 0)", |order| order
            .limits
            .fuel =
            1 << 40),
        breach,
        "more than a call gives"
    );
    assert_eq!(
        random("(call $bytes (i64.const -1) (i32.const 64)) (i32.const 0)", |_| {}),
        (Status::OutOfFuel, 0, None),
        "paid for before anything is made"
    );
}

#[test]
fn host_calls_are_paid_for() {
    let fuel = |body: &str| {
        let core = format!("{RANDOM_CODE} (func (export \"run\") (result i32) {body} (i32.const 0))");
        run(&command(RANDOM, "(with \"w\" (instance $w))", &core), &order(&[])).0.fuel_used
    };
    // A call is 500, eight random bytes are 32, the operator `call` 1; `drop` is free.
    assert_eq!(fuel("(drop (call $number))") - fuel(""), 533);
}
