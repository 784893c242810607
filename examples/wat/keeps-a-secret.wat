;; Writes one file that a policy lets out, and in a folder one that it keeps, each with a name, a size and bytes of its own.
;; What it says on standard error is kept, too.
(module
  (import "wasi_snapshot_preview1" "path_create_directory" (func $folder (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "ward-seven/patient-4711.txt")
  (data (i32.const 32) "table.csv")
  (data (i32.const 256) "a,b\0a1,2\0a")
  (data (i32.const 512) "line 7 quotes Eleanor Rigby")
  (data (i32.const 1024) "the diagnosis of Eleanor Rigby")

  (func $ok (param i32) (if (local.get 0) (then unreachable)))

  ;; Makes a file (flags 1, rights 64) in /data/outputs.
  (func $create (param $name i32) (param $length i32) (result i32)
    (call $ok (call $path_open (i32.const 5) (i32.const 0) (local.get $name) (local.get $length) (i32.const 1)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64)))
    (i32.load (i32.const 64)))

  (func $write (param $file i32) (param $from i32) (param $length i32)
    (i32.store (i32.const 72) (local.get $from))
    (i32.store (i32.const 76) (local.get $length))
    (call $ok (call $fd_write (local.get $file) (i32.const 72) (i32.const 1) (i32.const 80))))

  (func (export "_start")
    (call $ok (call $folder (i32.const 5) (i32.const 0) (i32.const 10)))
    (call $write (call $create (i32.const 0) (i32.const 27)) (i32.const 1024) (i32.const 41719))
    (call $write (call $create (i32.const 32) (i32.const 9)) (i32.const 256) (i32.const 8))
    (call $write (i32.const 2) (i32.const 512) (i32.const 27))))
