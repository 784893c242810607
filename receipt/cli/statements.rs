//! `brizo-verify check-disclosure` and `check-verdict`: reads what was named, has the library check, prints.

use brizo_receipt::verifier::Checked;
use brizo_receipt::verifier::{check_disclosure, check_verdict};
use brizo_receipt::{BYTES_MAX, Expectation, SMALL_BYTES_MAX};

use crate::Failure;
use crate::args::{DisclosureOptions, VerdictOptions};
use crate::files;
use crate::screen::show;

pub(crate) fn disclosure(options: &DisclosureOptions) -> Result<u8, Failure> {
    let bytes = files::read(&options.disclosure, SMALL_BYTES_MAX)?;
    let content = options.file.as_deref().map(files::digest).transpose()?;
    let profiles = files::profiles(options.profiles.as_deref())?;
    print(&check_disclosure(&bytes, options.receipt_hash, content, profiles.as_ref()), options.json)
}

pub(crate) fn verdict(options: &VerdictOptions) -> Result<u8, Failure> {
    let bytes = files::read(&options.verdict, SMALL_BYTES_MAX)?;
    let receipt = options.receipt.as_deref().map(|path| files::read(path, BYTES_MAX)).transpose()?;
    let profiles = files::profiles(options.profiles.as_deref())?;
    let expected = Expectation { profiles, ..Expectation::default() };
    let receipt = receipt.as_deref().map(|receipt| (receipt, &expected));
    print(&check_verdict(&bytes, receipt, options.auditor), options.json)
}

fn print(checked: &Checked, json: bool) -> Result<u8, Failure> {
    show(&if json { format!("{:#}", checked.document) } else { checked.table.clone() })?;
    Ok(checked.exit_code)
}
