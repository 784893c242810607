//! One host call, whatever engine it comes from: payment, the guest's memory, and the three ways out of it.

use super::abi::Errno;
use crate::sandbox::meter;
use crate::sandbox::state::{State, Stop};
use crate::sandbox::vfs::VfsError;

/// Why a call does not succeed: an error number for the guest, or the end of the run.
#[derive(Debug)]
pub(super) enum Fail {
    Errno(Errno),
    Stop(Stop),
}

impl From<VfsError> for Fail {
    fn from(error: VfsError) -> Self {
        Option::<Errno>::from(error).map_or(Self::Stop(Stop::OutputLimit), Self::Errno)
    }
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Bytes of a path that are kept: a whole character more than the longest path has.
const PATH_KEPT: usize = brizo_receipt::PATH_BYTES_MAX + 4;
/// Buffers of a scatter or gather call that are looked at; of more, the call does a part and says so, as POSIX permits.
const BUFFERS_MAX: u32 = 1024;

/// Result inside a call.
pub(super) type Outcome = Result<(), Fail>;

/// What a function gives to the guest.
pub(super) trait Answer {
    /// The answer that carries an error number, as far as it can.
    fn from_errno(errno: Errno) -> Self;
}

impl Answer for u32 {
    fn from_errno(errno: Errno) -> Self {
        errno as u32
    }
}

impl Answer for () {
    /// Nothing: functions of this sort do not return to the guest.
    fn from_errno(_: Errno) -> Self {}
}

/// What a host function works with.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) memory: GuestMemory<'a>,
    pub(super) state: &'a mut State,
    fuel: u64,
}

impl Call<'_> {
    /// Runs a function: charges for the call, lends it the guest's memory and the state of the run. Returns the fuel that
    /// is left, and the guest's error number or the end of the run.
    pub(super) fn perform(
        memory: &mut [u8],
        state: &mut State,
        fuel: u64,
        function: impl FnOnce(&mut Call<'_>) -> Outcome,
    ) -> (u64, Result<Errno, Stop>) {
        let mut call = Call { memory: GuestMemory { bytes: memory }, state, fuel };
        let result = call.charge(meter::CALL).and_then(|()| function(&mut call));
        let answer = match result {
            Ok(()) => Ok(Errno::Success),
            Err(Fail::Errno(errno)) => Ok(errno),
            Err(Fail::Stop(stop)) => Err(stop),
        };
        (call.fuel, answer)
    }

    /// Takes fuel before work is done.
    pub(super) fn charge(&mut self, fuel: u64) -> Outcome {
        match self.fuel.checked_sub(fuel) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => {
                self.fuel = 0;
                Err(Fail::Stop(Stop::OutOfFuel))
            }
        }
    }

    /// Takes fuel for a number of equal pieces of work.
    pub(super) fn charge_each(&mut self, count: u64, fuel: u64) -> Outcome {
        self.charge(count.saturating_mul(fuel))
    }

    /// A path in the guest's memory, paid for by its length.
    pub(super) fn path(&mut self, pointer: u32, length: u32) -> Result<String, Fail> {
        self.charge_each(u64::from(length), meter::BYTE)?;
        let bytes = self.memory.read(pointer, length)?;
        let path = std::str::from_utf8(bytes).map_err(|_| Fail::Errno(Errno::Ilseq))?;
        // What is longer than any path is refused wherever it is used, and need not be copied whole for that.
        let kept = path[..path.floor_char_boundary(PATH_KEPT)].to_string();
        let components = path.split('/').count() as u64;
        self.charge_each(components, meter::COMPONENT)?;
        Ok(kept)
    }
}

/// The guest's linear memory during a call. Every access is checked; one that lies outside ends the run.
#[derive(Debug)]
pub(super) struct GuestMemory<'a> {
    bytes: &'a mut [u8],
}

impl GuestMemory<'_> {
    /// A range of memory.
    pub(super) fn read(&self, pointer: u32, length: u32) -> Result<&[u8], Fail> {
        let start = pointer as usize;
        self.bytes.get(start..start + length as usize).ok_or(Fail::Stop(Stop::BadPointer))
    }

    /// A range of memory, to be written.
    pub(super) fn slice(&mut self, pointer: u32, length: u32) -> Result<&mut [u8], Fail> {
        let start = pointer as usize;
        self.bytes.get_mut(start..start + length as usize).ok_or(Fail::Stop(Stop::BadPointer))
    }

    /// Writes bytes.
    pub(super) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Outcome {
        let length = u32::try_from(bytes.len()).map_err(|_| Fail::Stop(Stop::BadPointer))?;
        self.slice(pointer, length)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a 32-bit number.
    pub(super) fn write_u32(&mut self, pointer: u32, number: u32) -> Outcome {
        self.write(pointer, &number.to_le_bytes())
    }

    /// Writes a 64-bit number.
    pub(super) fn write_u64(&mut self, pointer: u32, number: u64) -> Outcome {
        self.write(pointer, &number.to_le_bytes())
    }

    /// The first buffers of a scatter or gather call (`iovec`: pointer and length), each checked to lie inside the memory.
    pub(super) fn buffers(&self, pointer: u32, count: u32) -> Result<Vec<(u32, u32)>, Fail> {
        let length = count.checked_mul(8).ok_or(Fail::Stop(Stop::BadPointer))?;
        self.read(pointer, length)?;
        let words = self.read(pointer, length.min(8 * BUFFERS_MAX))?;
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
        let buffers: Vec<_> =
            words.chunks_exact(8).map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect();
        for (pointer, length) in &buffers {
            self.read(*pointer, *length)?;
        }
        Ok(buffers)
    }
}
