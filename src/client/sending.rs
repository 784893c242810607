//! Large algorithms to a provider, in pieces that each count: after an interruption only the rest is sent, and how much is there
//! is the provider's own word.

use brizo_receipt::{B256, keccak256};

use super::{ANSWER_BYTES_MAX, Client, Error, Tries, json, send};

/// What is sent at a time. Each piece is signed, and kept whole or not at all.
pub const PIECE_BYTES: usize = 1 << 20;

impl Client {
    /// Sends an algorithm's bytes, from where an earlier, interrupted call was. `told` learns how many of them are there, again
    /// and again. An upload under an agreement then names the digest.
    ///
    /// # Errors
    /// [`Error::Unreachable`] after a minute in which nothing was taken: what is there stays for the next call.
    pub async fn send_algorithm(
        &self,
        digest: B256,
        bytes: &[u8],
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let (path, mut tries) = (format!("/api/v1/algorithms/{}", hex::encode(digest)), Tries::default());
        loop {
            match self.send_rest(&path, bytes, &mut tries, told).await {
                // Somebody else who sends the same, another process with this key for instance, may have got further.
                Err(error)
                    if error.may_pass() || matches!(error.code(), Some("upload_offset" | "upload_busy")) =>
                {
                    tries.again(error).await?;
                }
                ended => return ended,
            }
        }
    }

    async fn send_rest(
        &self,
        path: &str,
        bytes: &[u8],
        tries: &mut Tries,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let there = match self.get_json(path).await {
            Err(error) if error.code() == Some("upload_not_found") => 0,
            answer => {
                let answer = answer?;
                if answer["complete"] == true {
                    told(bytes.len() as u64);
                    return Ok(());
                }
                answer["received"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
            }
        };
        // More than there is to send is not ours; the provider says so to the piece that begins there.
        let mut at = usize::try_from(there).unwrap_or(0).min(bytes.len());
        loop {
            tries.came(at as u64);
            told(at as u64);
            let piece = &bytes[at..bytes.len().min(at + PIECE_BYTES)];
            let last = at + piece.len() == bytes.len();
            let header = format!("{},body={}", self.sign("PATCH", path, piece)?, keccak256(piece));
            let request = self
                .http
                .patch(format!("{}{path}", self.base))
                .header("authorization", header)
                .header("content-type", "application/partial-upload")
                .header("upload-offset", at.to_string())
                .header("upload-complete", if last { "?1" } else { "?0" });
            let answer =
                json(&send(&self.base, path, request.body(piece.to_vec()), ANSWER_BYTES_MAX).await?)?;
            at += piece.len();
            if last && answer["complete"] == true {
                told(at as u64);
                return Ok(());
            }
            let counted = answer["received"].as_str().and_then(|text| text.parse().ok());
            if last || counted != Some(at) {
                return Err(Error::Odd("it counts the pieces of an upload otherwise".into()));
            }
        }
    }
}
