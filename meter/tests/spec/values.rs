//! Values as bits, and what the suite expects of them.

use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// A value without its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bits {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
    NoFunction,
    Function,
    NoExtern,
    Extern(u32),
    NoException,
}

const NAN_32: u32 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;

/// An argument; nothing for the types of other proposals.
pub(crate) fn argument(arg: &WastArg<'_>) -> Option<Bits> {
    let WastArg::Core(arg) = arg else { return None };
    Some(match arg {
        WastArgCore::I32(n) => Bits::I32(*n),
        WastArgCore::I64(n) => Bits::I64(*n),
        WastArgCore::F32(n) => Bits::F32(n.bits),
        WastArgCore::F64(n) => Bits::F64(n.bits),
        WastArgCore::V128(n) => Bits::V128(u128::from_le_bytes(n.to_le_bytes())),
        WastArgCore::RefExtern(n) => Bits::Extern(*n),
        WastArgCore::RefNull(HeapType::Abstract { shared: false, ty }) => match ty {
            AbstractHeapType::Func => Bits::NoFunction,
            AbstractHeapType::Extern => Bits::NoExtern,
            AbstractHeapType::Exn => Bits::NoException,
            _ => return None,
        },
        _ => return None,
    })
}

/// Which form of the module a value comes from. Where any NaN may come, the rewritten one may give only the canonical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Rewritten,
}

/// Whether results are what the suite expects; nothing where it expects types of other proposals.
pub(crate) fn expected(form: Form, results: &[Bits], wanted: &[WastRet<'_>]) -> Option<bool> {
    if results.len() != wanted.len() {
        return Some(false);
    }
    let mut all = true;
    for (value, wanted) in results.iter().zip(wanted) {
        let WastRet::Core(wanted) = wanted else { return None };
        all &= matches(form, *value, wanted)?;
    }
    Some(all)
}

fn matches(form: Form, value: Bits, wanted: &WastRetCore<'_>) -> Option<bool> {
    Some(match (value, wanted) {
        (value, WastRetCore::Either(several)) => {
            let each: Option<Vec<_>> = several.iter().map(|wanted| matches(form, value, wanted)).collect();
            each?.contains(&true)
        }
        (Bits::I32(n), WastRetCore::I32(wanted)) => n == *wanted,
        (Bits::I64(n), WastRetCore::I64(wanted)) => n == *wanted,
        (Bits::F32(n), WastRetCore::F32(wanted)) => matches_32(form, n, wanted),
        (Bits::F64(n), WastRetCore::F64(wanted)) => matches_64(form, n, wanted),
        (Bits::V128(n), WastRetCore::V128(wanted)) => matches_vector(form, n.to_le_bytes(), wanted),
        (Bits::NoFunction | Bits::NoExtern | Bits::NoException, WastRetCore::RefNull(_)) => true,
        (Bits::Function, WastRetCore::RefFunc(None)) => true,
        (Bits::Extern(n), WastRetCore::RefExtern(wanted)) => wanted.is_none_or(|wanted| wanted == n),
        (_, WastRetCore::RefHost(_) | WastRetCore::RefFunc(Some(_))) => return None,
        _ => false,
    })
}

fn matches_32(form: Form, bits: u32, wanted: &NanPattern<F32>) -> bool {
    match (wanted, form) {
        (NanPattern::Value(wanted), _) => bits == wanted.bits,
        // Its sign may have been changed since, which is not arithmetic.
        (NanPattern::CanonicalNan, _) | (_, Form::Rewritten) => bits & 0x7fff_ffff == NAN_32,
        (NanPattern::ArithmeticNan, _) => bits & NAN_32 == NAN_32,
    }
}

fn matches_64(form: Form, bits: u64, wanted: &NanPattern<F64>) -> bool {
    match (wanted, form) {
        (NanPattern::Value(wanted), _) => bits == wanted.bits,
        (NanPattern::CanonicalNan, _) | (_, Form::Rewritten) => bits & (u64::MAX >> 1) == NAN_64,
        (NanPattern::ArithmeticNan, _) => bits & NAN_64 == NAN_64,
    }
}

fn lanes<const N: usize, const LANES: usize>(bytes: [u8; 16]) -> [[u8; N]; LANES] {
    std::array::from_fn(|lane| std::array::from_fn(|byte| bytes[lane * N + byte]))
}

fn matches_vector(form: Form, bytes: [u8; 16], wanted: &V128Pattern) -> bool {
    match wanted {
        V128Pattern::I8x16(wanted) => bytes.map(|byte| byte as i8) == *wanted,
        V128Pattern::I16x8(wanted) => lanes::<2, 8>(bytes).map(i16::from_le_bytes) == *wanted,
        V128Pattern::I32x4(wanted) => lanes::<4, 4>(bytes).map(i32::from_le_bytes) == *wanted,
        V128Pattern::I64x2(wanted) => lanes::<8, 2>(bytes).map(i64::from_le_bytes) == *wanted,
        V128Pattern::F32x4(wanted) => {
            let lanes = lanes::<4, 4>(bytes).map(u32::from_le_bytes);
            lanes.iter().zip(wanted).all(|(bits, wanted)| matches_32(form, *bits, wanted))
        }
        V128Pattern::F64x2(wanted) => {
            let lanes = lanes::<8, 2>(bytes).map(u64::from_le_bytes);
            lanes.iter().zip(wanted).all(|(bits, wanted)| matches_64(form, *bits, wanted))
        }
    }
}
