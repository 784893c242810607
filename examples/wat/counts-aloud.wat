;; Prints 20,000 numbered lines of nine bytes, `00000000` to `00019999`, so that each place in the log is known by what stands there.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)

  (func $line (param $place i32) (param $number i32)
    (local $digit i32)
    (local.set $digit (i32.const 7))
    (i32.store8 (i32.add (local.get $place) (i32.const 8)) (i32.const 10))
    (loop $digits
      (i32.store8 (i32.add (local.get $place) (local.get $digit))
        (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (local.set $digit (i32.sub (local.get $digit) (i32.const 1)))
      (br_if $digits (i32.ge_s (local.get $digit) (i32.const 0)))))

  (func (export "_start")
    (local $number i32)
    (loop $lines
      (call $line (i32.add (i32.const 1024) (i32.mul (local.get $number) (i32.const 9))) (local.get $number))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (br_if $lines (i32.lt_u (local.get $number) (i32.const 20000))))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 180000))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))))
