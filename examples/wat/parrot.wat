;; An interpreter for the tests: says what stands in main.txt of the bundle and in /lib/greeting of its own files.
;; A library to be called from outside: `_initialize` first, then `run`, whose number is the exit code.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "host" "call" (func $call (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "main.txt")
  (data (i32.const 16) "lib/greeting")
  (data (i32.const 32) "said.csv")
  (tag $oops (param i32))
  (global $ready (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))

  (func (export "_initialize")
    (global.set $ready (i32.const 1)))

  ;; Opens a file for reading (rights 2) or makes one for writing (flags 1, rights 64).
  (func $open (param $folder i32) (param $name i32) (param $length i32) (param $flags i32) (param $rights i64) (result i32)
    (if (call $path_open (local.get $folder) (i32.const 0) (local.get $name) (local.get $length) (local.get $flags)
          (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 64))
      (then (throw $oops (i32.const 2))))
    (i32.load (i32.const 64)))

  ;; Reads a file behind what was read before.
  (func $read (param $file i32)
    (i32.store (i32.const 72) (i32.add (i32.const 1024) (global.get $length)))
    (i32.store (i32.const 76) (i32.const 1000))
    (if (call $fd_read (local.get $file) (i32.const 72) (i32.const 1) (i32.const 80)) (then unreachable))
    (global.set $length (i32.add (global.get $length) (i32.load (i32.const 80)))))

  (func $write (param $file i32)
    (i32.store (i32.const 72) (i32.const 1024))
    (i32.store (i32.const 76) (global.get $length))
    (if (call $fd_write (local.get $file) (i32.const 72) (i32.const 1) (i32.const 80)) (then unreachable)))

  (func (export "run") (result i32)
    (if (i32.eqz (global.get $ready)) (then unreachable))
    ;; Nobody is there to be called.
    (if (i32.ne (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const -1))
      (then unreachable))
    (block $failed (result i32)
      (try_table (catch $oops $failed)
        (call $read (call $open (i32.const 6) (i32.const 16) (i32.const 12) (i32.const 0) (i64.const 2)))
        (call $read (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 0) (i64.const 2)))
        (call $write (i32.const 1))
        (call $write (call $open (i32.const 5) (i32.const 32) (i32.const 8) (i32.const 1) (i64.const 64))))
      (i32.const 0))))
