//! The functions for wasmtime: typed closures, made from the table.

use wasmtime::{Caller, Extern, Linker};

use super::call::{Answer, Call, Outcome};
use super::table::functions;
use super::{HOST_CALL, MODULE, descriptors, environment, files, folders, poll, sockets};
use crate::sandbox::meter;
use crate::sandbox::state::{State, Stop};

macro_rules! link {
    ($($group:ident { $($file:ident::$name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* })*) => {
        /// Defines every function.
        ///
        /// # Errors
        /// When a name is defined twice.
        pub(in crate::sandbox) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
            $($(linker.func_wrap(
                MODULE,
                stringify!($name),
                |mut caller: Caller<'_, State>, $($param: $ty),*| -> wasmtime::Result<$answer> {
                    host(&mut caller, |call| $file::$name(call, $($param),*))
                },
            )?;)*)*
            linker.func_wrap(
                HOST_CALL.0,
                HOST_CALL.1,
                |mut caller: Caller<'_, State>, _: u32, _: u32, _: u32, _: u32| -> wasmtime::Result<i32> {
                    host::<()>(&mut caller, |_| Ok(()))?;
                    Ok(-1)
                },
            )?;
            Ok(())
        }
    };
}

functions!(link);

/// Runs a function for a guest: lends it memory, state and fuel, and takes back what fuel is left.
fn host<A: Answer>(
    caller: &mut Caller<'_, State>,
    function: impl FnOnce(&mut Call<'_>) -> Outcome,
) -> wasmtime::Result<A> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        None => {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                return Err(Stop::BadPointer.into());
            };
            caller.data_mut().memory = Some(memory);
            memory
        }
    };
    let fuel = meter::left_in_call(caller);
    let (bytes, state) = memory.data_and_store_mut(&mut *caller);
    let (left, answer) = Call::perform(bytes, state, fuel, function);
    meter::set_in_call(caller, left)?;
    Ok(A::from_errno(answer?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sandbox::preview1::{HOST_CALL_TYPE, PROVIDED, REFUSED, signature, signatures};

    #[test]
    fn what_is_listed_is_what_the_engine_was_given() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let mut store = wasmtime::Store::new(&engine, State::empty());
        let linked: Vec<_> =
            linker.iter(&mut store).map(|(_, name, item)| (name.to_string(), item)).collect();
        let mut linked: BTreeMap<_, _> = linked
            .into_iter()
            .map(|(name, item)| {
                let ty = item.into_func().unwrap().ty(&store);
                (name, signature(ty.params(), ty.results()))
            })
            .collect();
        let listed: BTreeMap<_, _> =
            signatures().iter().map(|(name, text)| ((*name).to_string(), text.clone())).collect();
        assert_eq!(linked.remove(HOST_CALL.1).as_deref(), Some(HOST_CALL_TYPE));
        assert_eq!(linked, listed);
        assert_eq!((PROVIDED.len(), REFUSED.len(), linked.len()), (42, 4, 46));
        assert_eq!(linked["path_open"], "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> (i32)");
        assert_eq!(linked["proc_exit"], "(i32) -> ()");
    }
}
