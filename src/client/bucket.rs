//! S3-style buckets: what lies under a prefix, and its bytes in pieces. `object_store` speaks the protocol, signs, and tries
//! again; its requests go over the same HTTP client as ours, so that there is one stack for all.

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::path::Path;
use object_store::{ClientConfigKey, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};

use super::{CONNECT_LIMIT, Error, SILENCE_LIMIT};

/// How often and how long a request is tried again; longer is for a person to decide.
const RETRIES_MAX: usize = 5;
const RETRIES_LIMIT: Duration = Duration::from_secs(60);

/// Characters of an error that are shown.
const TEXT_MAX: usize = 400;

/// A bucket and a prefix in it.
#[derive(Debug)]
pub struct Bucket {
    store: AmazonS3,
    prefix: Path,
    url: String,
}

/// An object, by its path below the prefix.
#[derive(Debug, Clone)]
pub struct Object {
    /// Path below the prefix; the last part of the prefix where that is the object itself.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// What the bucket says changes with the content: under the same words lie the same bytes.
    pub identity: Option<String>,
    location: Path,
    tag: Option<String>,
}

impl Bucket {
    /// `s3://bucket/prefix`. Region, endpoint and credentials come from the usual variables (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ALLOW_HTTP` …) or the machine's role.
    ///
    /// # Errors
    /// [`Error::Odd`] for what is no such address, or variables that do not fit each other.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::build(url, AmazonS3Builder::from_env())
    }

    fn build(url: &str, builder: AmazonS3Builder) -> Result<Self, Error> {
        let rest =
            url.strip_prefix("s3://").ok_or_else(|| Error::Odd(format!("{url} is no s3:// address")))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let retry =
            RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRIES_LIMIT, ..RetryConfig::default() };
        let built = builder.with_bucket_name(bucket).with_retry(retry).with_http_connector(Ours).build();
        let store = built.map_err(|e| failed(url, &e))?;
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|e| Error::Odd(e.to_string()))?;
        Ok(Self { store, prefix, url: url.into() })
    }

    /// All objects under the prefix, or the one that it names.
    ///
    /// # Errors
    /// [`Error`]; no object at all is none.
    pub async fn list(&self) -> Result<Vec<Object>, Error> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut listed = self.store.list(prefix);
        let mut objects = Vec::new();
        while let Some(meta) = listed.next().await {
            objects.push(self.object(meta.map_err(|e| failed(&self.url, &e))?));
        }
        self.leave_folders_out(&mut objects).await?;
        if objects.is_empty() && prefix.is_some() {
            match self.store.head(&self.prefix).await {
                Ok(meta) => objects.push(self.object(meta)),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(&self.url, &error)),
            }
        }
        Ok(objects)
    }

    /// Tools make empty objects whose names end with a slash, to show folders that have nothing else. The library lists them
    /// without it, and no object has that name then.
    async fn leave_folders_out(&self, objects: &mut Vec<Object>) -> Result<(), Error> {
        let empty = objects.iter().filter(|object| object.size == 0).map(|object| object.location.clone());
        for location in empty.collect::<Vec<_>>() {
            match self.store.head(&location).await {
                Ok(_) => {}
                Err(object_store::Error::NotFound { .. }) => {
                    objects.retain(|object| object.size > 0 || object.location != location);
                }
                Err(error) => return Err(failed(&self.url, &error)),
            }
        }
        Ok(())
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let below = meta
            .location
            .prefix_match(&self.prefix)
            .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
        let own = || meta.location.filename().unwrap_or_default().to_owned();
        let path = below.filter(|below| !below.is_empty()).unwrap_or_else(own);
        let identity = meta.e_tag.as_ref().map(|tag| {
            let at = meta.last_modified.timestamp_millis();
            format!("{} {} {} {at} {tag}", self.store, meta.location, meta.size)
        });
        Object { path, size: meta.size, identity, location: meta.location, tag: meta.e_tag }
    }

    /// Writes an object's bytes, in pieces.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Odd`] where it is not what was listed any more.
    pub async fn read(&self, object: &Object, to: &mut impl std::io::Write) -> Result<(), Error> {
        let got = self.store.get(&object.location).await.map_err(|e| failed(&self.url, &e))?;
        if got.meta.e_tag != object.tag || got.meta.size != object.size {
            return Err(Error::Odd(format!("{} was changed while it was read; try again", object.location)));
        }
        let mut pieces = got.into_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|e| failed(&self.url, &e))?;
            to.write_all(&piece)
                .map_err(|e| Error::Odd(format!("{} cannot be written: {e}", object.location)))?;
        }
        Ok(())
    }
}

fn failed(url: &str, error: &object_store::Error) -> Error {
    // Its texts name requests, never credentials; a server's page after them is of no use to anybody.
    let text = error.to_string();
    let text = text.split(['\n', '<']).next().unwrap_or_default();
    Error::Source { url: url.into(), text: text.chars().take(TEXT_MAX).collect() }
}

/// Our HTTP client behind the library's interface.
#[derive(Debug)]
struct Ours;

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    /// `AWS_ALLOW_HTTP`, and always for the metadata of the machine itself.
    may_be_plain: bool,
}

impl HttpConnector for Ours {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let may_be_plain =
            allowed.is_some_and(|it| it.trim().eq_ignore_ascii_case("true") || it.trim() == "1");
        let built =
            reqwest::Client::builder().connect_timeout(CONNECT_LIMIT).read_timeout(SILENCE_LIMIT).build();
        let client = built
            .map_err(|e| object_store::Error::Generic { store: "S3", source: Box::new(e.without_url()) })?;
        Ok(HttpClient::new(Service { client, may_be_plain }))
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Service {
    fn call<'life0, 'async_trait>(&'life0 self, request: HttpRequest) -> Answer<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if !self.may_be_plain && parts.uri.scheme_str() != Some("https") {
                let why = "this is plain HTTP, which AWS_ALLOW_HTTP=true allows";
                return Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::other(why)));
            }
            let mut sent = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers);
            // Nothing is ever stored in a bucket; the only bodies are empty or short.
            if let Some(bytes) = body.as_bytes().filter(|bytes| !bytes.is_empty()) {
                sent = sent.body(bytes.clone());
            }
            let response = sent.send().await.map_err(sorted)?;
            let mut answer = HttpResponse::new(Vec::new().into());
            *answer.status_mut() = response.status();
            *answer.headers_mut() = response.headers().clone();
            let body = reqwest::Body::from(response);
            *answer.body_mut() = HttpResponseBody::new(body.map_err(sorted));
            Ok(answer)
        })
    }
}

/// An error under the head by which the library decides whether to try again.
fn sorted(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_request() {
        HttpErrorKind::Request
    } else if error.is_body() || error.is_decode() {
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error.without_url())
}
