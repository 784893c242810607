;; Writes argument 4 (decimal) times a MiB into `/data/outputs/poured.csv`; each MiB begins with its number.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 20)
  (data (i32.const 0) "poured.csv")

  (func $ok (param i32) (if (local.get 0) (then unreachable)))

  ;; The number that stands at a place, up to the first byte that is no digit.
  (func $number (param $at i32) (result i32)
    (local $number i32) (local $digit i32)
    (block $end
      (loop $digits
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (br_if $end (i32.gt_u (local.get $digit) (i32.const 9)))
        (local.set $number (i32.add (i32.mul (local.get $number) (i32.const 10)) (local.get $digit)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $digits)))
    (local.get $number))

  (func (export "_start")
    (local $count i32) (local $done i32)
    (call $ok (call $args_sizes_get (i32.const 64) (i32.const 68)))
    (call $ok (call $args_get (i32.const 128) (i32.const 1024)))
    (local.set $count (call $number (i32.load (i32.const 140))))
    (call $ok (call $path_open (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 1)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 72)))
    (i32.store (i32.const 80) (i32.const 65536))
    (i32.store (i32.const 84) (i32.const 1048576))
    (block $end
      (loop $mebibytes
        (br_if $end (i32.ge_u (local.get $done) (local.get $count)))
        (i32.store (i32.const 65536) (local.get $done))
        (call $ok (call $fd_write (i32.load (i32.const 72)) (i32.const 80) (i32.const 1) (i32.const 88)))
        (local.set $done (i32.add (local.get $done) (i32.const 1)))
        (br $mebibytes)))))
