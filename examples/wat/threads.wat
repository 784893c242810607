;; For the gate: a shared memory and an atomic operation (threads proposal); threads are not repeatable.
(module
  (memory (export "memory") 1 2 shared)
  (func (export "_start")
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))
