;; For the gate: a relaxed SIMD instruction, whose result may differ from one processor to the next.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (v128.store (i32.const 0)
      (i8x16.relaxed_swizzle (v128.load (i32.const 0)) (v128.load (i32.const 16))))))
