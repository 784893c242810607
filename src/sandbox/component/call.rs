//! One host call of a component: payment, resources, and the ways out of it.

use wasmtime::StoreContextMut;
use wasmtime::component::{Resource, WasmList};

use super::bindings::filesystem::ErrorCode;
use super::state::State;
use crate::sandbox::meter;
use crate::sandbox::state::Stop;
use crate::sandbox::vfs::VfsError;

/// The store as host functions get it.
pub(super) type Store<'a> = StoreContextMut<'a, State>;

/// Bytes that one call moves at most; what `check-write` permits, and where reads are cut short.
pub(super) const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// Why a call does not succeed: an answer for the guest, or the end of the run.
#[derive(Debug)]
pub(super) enum Fail<E> {
    Answer(E),
    Stop(wasmtime::Error),
}

impl<E> From<Stop> for Fail<E> {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop.into())
    }
}

impl From<VfsError> for Fail<ErrorCode> {
    fn from(error: VfsError) -> Self {
        match error {
            VfsError::OutputLimit | VfsError::HostDisk => Stop::OutputLimit.into(),
            other => Self::Answer(code_of(other)),
        }
    }
}

impl From<ErrorCode> for Fail<ErrorCode> {
    fn from(code: ErrorCode) -> Self {
        Self::Answer(code)
    }
}

/// The error code that stands for an error of the file system.
pub(super) fn code_of(error: VfsError) -> ErrorCode {
    match error {
        VfsError::BadDescriptor => ErrorCode::BadDescriptor,
        VfsError::Exists => ErrorCode::Exist,
        VfsError::Invalid => ErrorCode::Invalid,
        VfsError::IsDirectory => ErrorCode::IsDirectory,
        VfsError::NameTooLong => ErrorCode::NameTooLong,
        VfsError::NotFound => ErrorCode::NoEntry,
        VfsError::NotDirectory => ErrorCode::NotDirectory,
        VfsError::NotEmpty => ErrorCode::NotEmpty,
        VfsError::NotSupported => ErrorCode::Unsupported,
        VfsError::Escape => ErrorCode::NotPermitted,
        VfsError::ReadOnly => ErrorCode::ReadOnly,
        VfsError::IllegalBytes => ErrorCode::IllegalByteSequence,
        VfsError::TooManyOpen => ErrorCode::InsufficientMemory,
        VfsError::OutputLimit => ErrorCode::Quota,
        VfsError::HostDisk => ErrorCode::Io,
    }
}

/// What a host function works with.
pub(super) struct Call<'a>(Store<'a>);

impl<'a> Call<'a> {
    /// Enters a host function, which pays for the call.
    pub(super) fn enter(store: Store<'a>) -> Result<Self, Stop> {
        let mut call = Self(store);
        // Charging restarts the interval after which the engine looks, so a guest that calls the host is looked at here.
        if call.state().interrupt.raised().is_some() {
            return Err(Stop::Interrupted);
        }
        call.charge(meter::CALL)?;
        Ok(call)
    }

    pub(super) fn state(&mut self) -> &mut State {
        self.0.data_mut()
    }

    /// Takes fuel before work is done.
    pub(super) fn charge(&mut self, fuel: u64) -> Result<(), Stop> {
        let left = self.0.get_fuel().map_err(|_| Stop::Engine)?;
        let rest = left.checked_sub(fuel);
        self.0.set_fuel(rest.unwrap_or(0)).map_err(|_| Stop::Engine)?;
        rest.map(|_| ()).ok_or(Stop::OutOfFuel)
    }

    /// Takes fuel for a number of equal pieces of work.
    pub(super) fn charge_each(&mut self, count: u64, fuel: u64) -> Result<(), Stop> {
        self.charge(count.saturating_mul(fuel))
    }

    /// Pays for walking a path, by its length and its components.
    pub(super) fn charge_path(&mut self, path: &str) -> Result<(), Stop> {
        self.charge_each(path.len() as u64, meter::BYTE)?;
        self.charge_each(path.split('/').count() as u64, meter::COMPONENT)
    }

    /// Copies bytes out of the guest, paid for; more than `check-write` permits is a breach of the interface.
    pub(super) fn take(&mut self, list: &WasmList<u8>) -> Result<Vec<u8>, Stop> {
        let length = list.as_le_slice(&self.0).len() as u64;
        check_chunk(length)?;
        self.charge_each(length, meter::BYTE)?;
        Ok(list.as_le_slice(&self.0).to_vec())
    }

    /// What a handle stands for.
    pub(super) fn get<T: 'static>(&mut self, handle: &Resource<T>) -> Result<&mut T, Stop> {
        self.state().table.get_mut(handle).map_err(|_| Stop::BadPointer)
    }

    /// Makes a resource; holding more than the profile grants ends the run.
    pub(super) fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, Stop> {
        self.state().table.push(value).map_err(|_| Stop::BadPointer)
    }

    /// Forgets a resource whose last handle the guest dropped.
    pub(super) fn forget<T: 'static>(&mut self, number: u32) -> Result<T, Stop> {
        self.state().table.delete(Resource::new_own(number)).map_err(|_| Stop::BadPointer)
    }

    /// The store, for functions that are linked without types.
    pub(super) fn into_store(self) -> Store<'a> {
        self.0
    }
}

/// Refuses to move more bytes than a call may.
pub(super) fn check_chunk(length: u64) -> Result<(), Stop> {
    if length <= CHUNK_BYTES_MAX { Ok(()) } else { Err(Stop::BadPointer) }
}

/// Runs a host function that cannot fail but by ending the run.
pub(super) fn host<R>(
    store: Store<'_>,
    function: impl FnOnce(&mut Call<'_>) -> Result<R, Stop>,
) -> wasmtime::Result<(R,)> {
    Ok((function(&mut Call::enter(store)?)?,))
}

/// Runs a host function that answers with a result.
pub(super) fn fallible<R, E>(
    store: Store<'_>,
    function: impl FnOnce(&mut Call<'_>) -> Result<R, Fail<E>>,
) -> wasmtime::Result<(Result<R, E>,)> {
    match function(&mut Call::enter(store)?) {
        Ok(value) => Ok((Ok(value),)),
        Err(Fail::Answer(error)) => Ok((Err(error),)),
        Err(Fail::Stop(error)) => Err(error),
    }
}
