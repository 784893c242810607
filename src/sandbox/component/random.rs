//! `wasi:random`: every sort of random number comes from the one seeded stream.

use wasmtime::component::Linker;

use super::call::{Call, Store, host};
use super::state::State;
use crate::sandbox::meter;
use crate::sandbox::state::Stop;

/// Bytes that one call may ask for; the host holds them before the guest does.
pub(super) const BYTES_MAX: u64 = 64 << 20;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for (interface, name) in [("random", "random"), ("insecure", "insecure-random")] {
        let mut random = linker.instance(&format!("wasi:random/{interface}@0.2.12"))?;
        random.func_wrap(&format!("get-{name}-bytes"), |store: Store<'_>, (length,): (u64,)| {
            host(store, |call| bytes(call, length))
        })?;
        random.func_wrap(&format!("get-{name}-u64"), |store: Store<'_>, (): ()| host(store, number))?;
    }
    linker
        .instance("wasi:random/insecure-seed@0.2.12")?
        .func_wrap("insecure-seed", |store: Store<'_>, (): ()| {
            host(store, |call| Ok((number(call)?, number(call)?)))
        })
}

fn bytes(call: &mut Call<'_>, length: u64) -> Result<Vec<u8>, Stop> {
    call.charge_each(length, meter::RANDOM_BYTE)?;
    if length > BYTES_MAX {
        return Err(Stop::BadPointer);
    }
    let mut bytes = vec![0; length as usize];
    call.state().random.fill(&mut bytes);
    Ok(bytes)
}

/// The next eight bytes of the stream as a number, lowest byte first.
fn number(call: &mut Call<'_>) -> Result<u64, Stop> {
    call.charge_each(8, meter::RANDOM_BYTE)?;
    let mut bytes = [0; 8];
    call.state().random.fill(&mut bytes);
    Ok(u64::from_le_bytes(bytes))
}
