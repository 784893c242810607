//! Where a data set comes from: a folder, a file, a URL, or a bucket.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use brizo_receipt::{Entry, EntryKind, Manifest, check_path};

use crate::client::{self, Bucket};
use crate::data::{BlobStore, Known, ingest};

/// A place with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A folder or a file.
    Path(PathBuf),
    /// One file on a web server, and the name it gets.
    Url { url: String, name: String },
    /// Everything under a prefix of an S3-style bucket.
    Bucket(String),
}

impl Source {
    /// From what a publisher wrote.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text.split_once("://") {
            None => Ok(Self::Path(text.into())),
            Some(("http" | "https", rest)) => {
                let path = rest.split(['?', '#']).next().unwrap_or_default();
                let name = path.split_once('/').and_then(|(_, path)| path.rsplit('/').next());
                let name = name.filter(|name| !name.is_empty() && !name.contains('%'));
                let Some(name) = name.filter(|name| check_path(name).is_ok()) else {
                    bail!("the URL does not end with the name of a file; download it and publish the file");
                };
                Ok(Self::Url { url: text.into(), name: name.into() })
            }
            Some(("s3", rest)) if !rest.is_empty() => Ok(Self::Bucket(text.into())),
            Some((scheme, _)) => {
                bail!("{scheme}:// is no place that data is taken from; use a path, http(s):// or s3://")
            }
        }
    }

    /// Takes everything in.
    pub(super) async fn take_in(&self, blobs: &BlobStore) -> Result<Manifest> {
        match self {
            Self::Path(path) => Ok(ingest(path, blobs)?),
            Self::Url { url, name } => {
                let mut blob = blobs.begin()?;
                client::download(url, &mut blob).await?;
                let (digest, size) = blob.finish()?;
                let entry = Entry { kind: EntryKind::File, path: name.clone(), size, digest };
                Manifest::new(vec![entry]).context("the data set")
            }
            Self::Bucket(url) => take_in_bucket(url, blobs).await,
        }
    }

    /// Whether it is a folder on this machine; its mock may not lie in it, nor it in its mock.
    pub(super) fn holds(&self, other: &Path) -> bool {
        let Self::Path(path) = self else { return false };
        match (path.canonicalize(), other.canonicalize()) {
            (Ok(path), Ok(other)) => other.starts_with(&path) || path.starts_with(&other),
            _ => false,
        }
    }
}

/// Every object, but those whose bytes are here already.
async fn take_in_bucket(url: &str, blobs: &BlobStore) -> Result<Manifest> {
    let bucket = Bucket::open(url)?;
    let mut known = Known::of(blobs);
    let mut entries = Vec::new();
    for object in bucket.list().await? {
        check_path(&object.path).with_context(|| format!("{url}: rename the object"))?;
        let here = object.identity.as_deref().and_then(|identity| known.digest(identity));
        let digest = match here.filter(|digest| blobs.contains(*digest)) {
            Some(digest) => digest,
            None => {
                let mut blob = blobs.begin()?;
                bucket.read(&object, &mut blob).await?;
                let (digest, size) = blob.finish()?;
                if size != object.size {
                    bail!("{url}: {} ended early; try again", object.path);
                }
                if let Some(identity) = &object.identity {
                    known.add(identity.clone(), digest);
                }
                digest
            }
        };
        entries.push(Entry { kind: EntryKind::File, path: object.path, size: object.size, digest });
    }
    known.keep();
    if entries.is_empty() {
        bail!("nothing lies at {url}");
    }
    Manifest::new(entries).with_context(|| format!("{url} holds a name twice, or a name as file and folder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let url = |text: &str| match Source::parse(text) {
            Ok(Source::Url { name, .. }) => Some(name),
            _ => None,
        };
        assert_eq!(Source::parse("data/x").unwrap(), Source::Path("data/x".into()));
        assert_eq!(Source::parse("s3://bucket/a").unwrap(), Source::Bucket("s3://bucket/a".into()));
        assert_eq!(url("https://example.org/a/penguins.csv?sig=x/y"), Some("penguins.csv".into()));
        for bad in [
            "http://example.org",
            "http://example.org/",
            "http://example.org/a%2fb",
            "ftp://x/y",
            "s3://",
            "http://x/..",
        ] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }
}
