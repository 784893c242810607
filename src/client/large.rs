//! Large files from a provider: written as they come, taken up again where they broke off (RFC 9110 §14), and held against the
//! digest that the receipt names. Memory stays flat whatever their size.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use brizo_receipt::B256;
use reqwest::header::{CONTENT_RANGE, HeaderMap};

use super::{Client, Error, Tries, refusal, unreachable};
use crate::redact::without_secrets;

/// What is read back and hashed at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A file that a receipt names.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Path and query of the URL.
    pub url_path: &'a str,
    /// BLAKE3 of all its bytes, which is the provider's ETag for them as well.
    pub digest: B256,
    /// Its length in bytes.
    pub size: u64,
}

/// What has come of a file, and its hash so far.
struct Begun<'a> {
    path: &'a Path,
    file: File,
    hasher: blake3::Hasher,
    /// Whether its beginning was there before this call.
    found: bool,
}

impl Client {
    /// Fetches a file to `path`, where an earlier, interrupted call may have left its beginning. When this returns `Ok`, the
    /// file is whole and the one that was wanted. `told` learns how many of its bytes are there, again and again.
    ///
    /// # Errors
    /// [`Error::Unreachable`] after a minute in which nothing came: the part is kept for the next call.
    /// [`Error::Other`] when the provider has something else under this name: nothing is kept.
    /// [`Error::Disk`] when the file cannot be written.
    pub async fn fetch_file(
        &self,
        wanted: Wanted<'_>,
        path: &Path,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let mut begun = Begun::open(path)?;
        let mut tries = Tries::default();
        loop {
            let length = begun.length();
            told(length);
            tries.came(length);
            if length == wanted.size && begun.digest() == wanted.digest {
                return begun.sync();
            }
            if length >= wanted.size {
                // What lay there may have been damaged; what came in one piece and is wrong is the provider's doing.
                if !begun.found {
                    return begun.refuse("its bytes have another digest");
                }
                begun.clear()?;
                tries.anew();
                continue;
            }
            match self.fetch_rest(wanted, &mut begun, told).await {
                // Broken off, or all of it: the next round looks.
                Ok(()) => {}
                Err(error) if error.may_pass() => {
                    tries.came(begun.length());
                    tries.again(error).await?;
                }
                Err(Error::Other(why)) => return begun.refuse(&why),
                Err(error) => return Err(error),
            }
        }
    }

    /// One request: from what is there to the end, or as far as the line holds.
    async fn fetch_rest(
        &self,
        wanted: Wanted<'_>,
        begun: &mut Begun<'_>,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let from = begun.length();
        let mut request = self.large.get(format!("{}{}", self.base, wanted.url_path));
        request = request.header("authorization", self.sign("GET", wanted.url_path, b"")?);
        if from > 0 {
            request = request
                .header("range", format!("bytes={from}-"))
                .header("if-range", format!("\"{}\"", hex::encode(wanted.digest)));
        }
        let mut response = request.send().await.map_err(|e| unreachable(&self.base, e))?;
        match response.status().as_u16() {
            206 if starts_at(response.headers(), from, wanted.size) => {}
            // It is another file by now, or the provider knows no ranges: all of it comes.
            200 => begun.clear()?,
            206 | 416 => return Err(Error::Other("it has another length".into())),
            _ => return Err(refusal(response).await),
        }
        if response.content_length().is_some_and(|rest| begun.length() + rest != wanted.size) {
            return Err(Error::Other("it has another length".into()));
        }
        while let Some(piece) = response.chunk().await.map_err(|e| unreachable(&self.base, e))? {
            if begun.length() + piece.len() as u64 > wanted.size {
                return Err(Error::Other("it has more bytes than were said".into()));
            }
            begun.append(&piece)?;
            told(begun.length());
        }
        if begun.length() < wanted.size {
            let text = format!("the line was cut after {} of {} bytes", begun.length(), wanted.size);
            return Err(Error::Unreachable { url: without_secrets(&self.base), text });
        }
        Ok(())
    }
}

/// Whether a partial answer goes on where the part ends, in a file of the right length.
fn starts_at(headers: &HeaderMap, from: u64, size: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range == Some(&format!("bytes {from}-{}/{size}", size.saturating_sub(1)))
}

impl<'a> Begun<'a> {
    /// Opens what is there, reading it once for its hash, or makes a new file.
    fn open(path: &'a Path) -> Result<Self, Error> {
        let failed = |e: std::io::Error| disk(path, &e);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut begun = Self { path, file, hasher: blake3::Hasher::new(), found: false };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = begun.file.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                return Ok(begun);
            }
            begun.hasher.update(&chunk[..read]);
            begun.found = true;
        }
    }

    fn length(&self) -> u64 {
        self.hasher.count()
    }

    fn digest(&self) -> B256 {
        B256::from(*self.hasher.finalize().as_bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|e| disk(self.path, &e))?;
        self.hasher.update(bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Error> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map_err(|e| disk(self.path, &e))?;
        self.hasher.reset();
        self.found = false;
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(|e| disk(self.path, &e))
    }

    /// Removes what came and says why.
    fn refuse(&self, why: &str) -> Result<(), Error> {
        std::fs::remove_file(self.path).map_err(|e| disk(self.path, &e))?;
        Err(Error::Other(why.into()))
    }
}

fn disk(path: &Path, error: &std::io::Error) -> Error {
    Error::Disk { path: path.to_path_buf(), text: error.to_string() }
}
