//! The functions for wasmi, the second engine, made from the same table. For tests only.

use wasmi::{Caller, Extern, Linker, Memory};

use super::call::{Answer, Call, Outcome};
use super::table::functions;
use super::{HOST_CALL, MODULE, descriptors, environment, files, folders, poll, sockets};
use crate::sandbox::second_engine::Host;
use crate::sandbox::state::Stop;

impl wasmi::errors::HostError for Stop {}

macro_rules! link {
    ($($group:ident { $($file:ident::$name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* })*) => {
        /// Defines every function.
        pub(in crate::sandbox) fn link(linker: &mut Linker<Host>) -> Result<(), wasmi::Error> {
            $($(linker.func_wrap(
                MODULE,
                stringify!($name),
                |mut caller: Caller<'_, Host>, $($param: $ty),*| -> Result<$answer, wasmi::Error> {
                    host(&mut caller, |call| $file::$name(call, $($param),*))
                },
            )?;)*)*
            linker.func_wrap(
                HOST_CALL.0,
                HOST_CALL.1,
                |mut caller: Caller<'_, Host>, _: u32, _: u32, _: u32, _: u32| -> Result<i32, wasmi::Error> {
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
    caller: &mut Caller<'_, Host>,
    function: impl FnOnce(&mut Call<'_>) -> Outcome,
) -> Result<A, wasmi::Error> {
    let memory = exported(caller, "memory")?;
    let meter = caller.data().meter.ok_or_else(|| wasmi::Error::host(Stop::Engine))?;
    let fuel = meter.fuel_left(&*caller).try_into().unwrap_or(0);
    let (bytes, host) = memory.data_and_store_mut(&mut *caller);
    let (left, answer) = Call::perform(bytes, &mut host.state, fuel, function);
    meter.set_fuel(&mut *caller, left);
    answer.map(A::from_errno).map_err(wasmi::Error::host)
}

fn exported(caller: &Caller<'_, Host>, name: &str) -> Result<Memory, wasmi::Error> {
    let memory = caller.get_export(name).and_then(Extern::into_memory);
    memory.ok_or_else(|| wasmi::Error::host(Stop::BadPointer))
}
