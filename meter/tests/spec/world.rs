//! One form of all modules of a script, in wasmtime: what is instantiated, registered and called.

use std::collections::HashMap;

use brizo_meter::{DEPTH, ENTRY, FLOOR, FUEL};
use wasmtime::{
    Engine, Extern, ExternRef, Func, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module,
    Mutability, Ref, RefType, Store, Table, TableType, Trap, Val, ValType,
};

use crate::values::{Bits, Form};

/// Native stack of the plain form; the rewritten one must end before it reaches that.
pub(crate) const NATIVE_STACK: usize = 64 << 20;
/// At most 128 bytes of native stack are used per unit.
const STACK_LIMIT: i64 = (NATIVE_STACK / 128) as i64;
const FUEL_LIMIT: i64 = 1 << 50;
/// Memories that are larger are not compared.
const COMPARED_BYTES: usize = 16 << 20;

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Values(Vec<Bits>),
    Trap(String),
    StackExhausted,
    Exception,
    /// Imports do not fit.
    Unlinkable,
    /// Something that must not happen in this form.
    Broken(String),
}

/// Where a rewritten module counts.
#[derive(Debug, Clone, Copy)]
struct Counters {
    floor: Option<Memory>,
    fuel: Global,
    depth: Global,
}

/// The instances of a script in one form. `None` stands for a module that is outside of what is rewritten.
pub(crate) struct World {
    form: Form,
    engine: Engine,
    store: Store<()>,
    linker: Linker<()>,
    named: HashMap<String, Option<Instance>>,
    current: Option<Instance>,
    counters: Vec<Counters>,
    instances: Vec<Instance>,
}

impl World {
    pub(crate) fn new(form: Form) -> Self {
        let mut config = wasmtime::Config::new();
        config
            .wasm_multi_memory(true)
            .wasm_custom_page_sizes(true)
            .wasm_branch_hinting(true)
            .wasm_exceptions(true);
        config.max_wasm_stack(NATIVE_STACK).async_stack_size(NATIVE_STACK + (1 << 20));
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.allow_shadowing(true);
        spectest(&mut linker, &mut store);
        let (named, counters, instances) = (HashMap::new(), Vec::new(), Vec::new());
        Self { form, engine, store, linker, named, current: None, counters, instances }
    }

    /// Makes a module current, under a name too if it has one. Nothing stands for a module that is left out.
    pub(crate) fn take(&mut self, name: Option<&str>, instance: Option<Instance>) {
        self.current = instance;
        if let Some(name) = name {
            self.named.insert(name.to_owned(), instance);
        }
    }

    pub(crate) fn instance(&self, name: Option<&str>) -> Option<Instance> {
        name.map_or(self.current, |name| self.named.get(name).copied().flatten())
    }

    pub(crate) fn register(&mut self, name: &str, instance: Instance) {
        self.linker.instance(&mut self.store, name, instance).unwrap();
    }

    /// Instantiates a module in its form, and runs its start function.
    pub(crate) fn instantiate(&mut self, module: &[u8]) -> Result<Instance, End> {
        let module = Module::new(&self.engine, module).map_err(|e| End::Broken(format!("{e:#}")))?;
        let pre = self.linker.instantiate_pre(&module).map_err(|_| End::Unlinkable)?;
        let instance = match pre.instantiate(&mut self.store) {
            Ok(instance) => instance,
            Err(error) => return Err(self.end_of(&error)),
        };
        if self.form == Form::Rewritten {
            let floor = instance.get_memory(&mut self.store, FLOOR);
            let [fuel, depth] = [FUEL, DEPTH].map(|name| instance.get_global(&mut self.store, name).unwrap());
            self.counters.push(Counters { floor, fuel, depth });
            let end = self.call(instance, ENTRY, &[Bits::I64(FUEL_LIMIT), Bits::I64(STACK_LIMIT)]);
            // The number is the exit code, which is 0 where nothing gives another.
            if end != End::Values(vec![Bits::I32(0)]) {
                return Err(end);
            }
        }
        self.instances.push(instance);
        Ok(instance)
    }

    /// Calls an exported function with full counters.
    pub(crate) fn call(&mut self, instance: Instance, name: &str, args: &[Bits]) -> End {
        let Some(function) = instance.get_func(&mut self.store, name) else {
            return End::Broken(format!("no function {name}"));
        };
        for counters in &self.counters {
            let above = if counters.floor.is_some() { 0 } else { FUEL_LIMIT };
            if let Some(floor) = counters.floor {
                floor.write(&mut self.store, 0, &FUEL_LIMIT.to_le_bytes()).unwrap();
            }
            counters.fuel.set(&mut self.store, Val::I64(above)).unwrap();
            counters.depth.set(&mut self.store, Val::I64(STACK_LIMIT)).unwrap();
        }
        let args: Vec<_> = args.iter().map(|bits| value(&mut self.store, *bits)).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        match function.call(&mut self.store, &args, &mut results) {
            Ok(())
                if self
                    .left()
                    .any(|(fuel, depth)| depth != STACK_LIMIT || !(0..=FUEL_LIMIT).contains(&fuel)) =>
            {
                End::Broken(format!("counters after {name}: {:?}", self.left().collect::<Vec<_>>()))
            }
            Ok(()) => End::Values(results.into_iter().map(|value| bits(&self.store, value)).collect()),
            Err(error) => self.end_of(&error),
        }
    }

    /// The value of an exported global.
    pub(crate) fn global(&mut self, instance: Instance, name: &str) -> End {
        match instance.get_global(&mut self.store, name) {
            Some(global) => {
                let value = global.get(&mut self.store);
                End::Values(vec![bits(&self.store, value)])
            }
            None => End::Broken(format!("no global {name}")),
        }
    }

    /// Fuel and stack that each instance has left.
    fn left(&mut self) -> impl Iterator<Item = (i64, i64)> {
        let left = |counters: &Counters| {
            let floor = counters.floor.map(|floor| *floor.data(&self.store).first_chunk().unwrap());
            let floor = floor.map_or(0, i64::from_le_bytes);
            let above = counters.fuel.get(&mut self.store).unwrap_i64();
            (floor + above, counters.depth.get(&mut self.store).unwrap_i64())
        };
        self.counters.iter().map(left).collect::<Vec<_>>().into_iter()
    }

    fn end_of(&mut self, error: &wasmtime::Error) -> End {
        if error.downcast_ref::<wasmtime::ThrownException>().is_some() {
            return End::Exception;
        }
        match error.downcast_ref::<Trap>() {
            // That the counters end the run, and not the stack, is what the rewriting is for.
            Some(Trap::UnreachableCodeReached | Trap::MemoryOutOfBounds)
                if self.left().any(|(_, depth)| depth < 0) =>
            {
                End::StackExhausted
            }
            Some(Trap::StackOverflow) if self.form == Form::Plain => End::StackExhausted,
            Some(Trap::MemoryOutOfBounds) if self.left().any(|(fuel, _)| fuel < 0) => {
                End::Broken("out of fuel".into())
            }
            Some(trap) => End::Trap(format!("{trap:?}")),
            None => End::Broken(format!("{error:#}")),
        }
    }

    /// Everything that the instances export and that is not a function: memories and globals, in a fixed order.
    pub(crate) fn left_behind(&mut self) -> Vec<(usize, String, Vec<u8>)> {
        let mut found = Vec::new();
        for (number, instance) in self.instances.iter().enumerate() {
            let exports: Vec<_> = instance
                .exports(&mut self.store)
                .map(|export| (export.name().to_owned(), export.into_extern()))
                .collect();
            for (name, export) in exports {
                let content = match export {
                    Extern::Memory(memory) if name != FLOOR => {
                        let bytes = memory.data(&self.store);
                        bytes.get(..COMPARED_BYTES.min(bytes.len())).unwrap_or_default().to_vec()
                    }
                    Extern::Global(global) if ![FUEL, DEPTH].contains(&name.as_str()) => {
                        let value = global.get(&mut self.store);
                        format!("{:?}", bits(&self.store, value)).into_bytes()
                    }
                    Extern::Table(table) => table.size(&self.store).to_le_bytes().to_vec(),
                    _ => continue,
                };
                found.push((number, name, content));
            }
        }
        found.sort();
        found
    }
}

fn value(store: &mut Store<()>, bits: Bits) -> Val {
    match bits {
        Bits::I32(n) => Val::I32(n),
        Bits::I64(n) => Val::I64(n),
        Bits::F32(n) => Val::F32(n),
        Bits::F64(n) => Val::F64(n),
        Bits::V128(n) => Val::V128(n.into()),
        Bits::NoFunction | Bits::Function => Val::FuncRef(None),
        Bits::NoExtern => Val::ExternRef(None),
        Bits::Extern(n) => Val::ExternRef(Some(ExternRef::new(store, n).unwrap())),
        Bits::NoException => Val::ExnRef(None),
    }
}

fn bits(store: &Store<()>, value: Val) -> Bits {
    match value {
        Val::I32(n) => Bits::I32(n),
        Val::I64(n) => Bits::I64(n),
        Val::F32(n) => Bits::F32(n),
        Val::F64(n) => Bits::F64(n),
        Val::V128(n) => Bits::V128(n.as_u128()),
        Val::FuncRef(None) => Bits::NoFunction,
        Val::FuncRef(Some(_)) => Bits::Function,
        Val::ExternRef(None) => Bits::NoExtern,
        Val::ExternRef(Some(reference)) => {
            let data = reference.data(store).unwrap();
            Bits::Extern(*data.and_then(|data| data.downcast_ref::<u32>()).unwrap())
        }
        Val::ExnRef(None) => Bits::NoException,
        other => panic!("a value of another proposal: {other:?}"),
    }
}

/// The module that the suite's scripts import from.
fn spectest(linker: &mut Linker<()>, store: &mut Store<()>) {
    let module = "spectest";
    linker.func_wrap(module, "print", || {}).unwrap();
    linker.func_wrap(module, "print_i32", |_: i32| {}).unwrap();
    linker.func_wrap(module, "print_i64", |_: i64| {}).unwrap();
    linker.func_wrap(module, "print_f32", |_: f32| {}).unwrap();
    linker.func_wrap(module, "print_f64", |_: f64| {}).unwrap();
    linker.func_wrap(module, "print_i32_f32", |_: i32, _: f32| {}).unwrap();
    linker.func_wrap(module, "print_f64_f64", |_: f64, _: f64| {}).unwrap();
    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6f64.to_bits())),
    ];
    for (name, ty, value) in globals {
        let global = Global::new(&mut *store, GlobalType::new(ty, Mutability::Const), value).unwrap();
        linker.define(&*store, module, name, global).unwrap();
    }
    let table = TableType::new(RefType::FUNCREF, 10, Some(20));
    let table = Table::new(&mut *store, table, Ref::Func(None::<Func>)).unwrap();
    linker.define(&*store, module, "table", table).unwrap();
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2))).unwrap();
    linker.define(&*store, module, "memory", memory).unwrap();
}
