;; For the gate: a memory with 64-bit addresses (memory64 proposal); limits and WASI pointers are 32-bit here.
(module
  (memory (export "memory") i64 1)
  (func (export "_start")
    (drop (i32.load (i64.const 0)))))
