;; For the gate: a library, not a program: it has no `_start` to call.
(module
  (memory (export "memory") 1)
  (func (export "answer") (result i32)
    (i32.const 42)))
