;; For the gate: imports a function that no profile offers (`env.secret`); must be refused before it runs.
(module
  (import "env" "secret" (func $secret (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $secret))))
