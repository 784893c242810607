;; For the gate and the meter: code in the start section runs at instantiation, before `_start`; here it never ends.
;; It must be refused, or metered like any other code.
(module
  (memory (export "memory") 1)
  (func $early
    (loop $again
      (br $again)))
  (start $early)
  (func (export "_start")))
