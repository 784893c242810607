//! One run: volumes, the container that holds them, the guest, and what is left of it. Whatever happens, all of it is
//! removed.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    StartContainerOptions, UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use brizo_receipt::{Status, TrapCode};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::sandbox::{Aborted, Control, Ending, InputFile, Order, RunResult};

use super::body::{self, OUTPUTS, Volumes};
use super::engine::{ANSWER_S, Connected, Facts};
use super::files::{self, Found};
use super::profile::SECOND;
use super::watch::{Bounds, Cause, Guest, Watched, unless_raised};
use super::{Containers, Error, Image, hold};

/// Bytes of inputs that an engine writes in a second at the least.
const WRITTEN_PER_S_MIN: u64 = 1 << 20;

/// A run that came to its ending, or was ended by the host.
#[derive(Debug)]
pub struct Ran {
    /// What the sandbox would say, too.
    pub result: RunResult,
    /// The engine.
    pub facts: Facts,
    /// Whether the image was there already.
    pub cached_image: bool,
    /// How long looking for the image, and pulling it, took.
    pub image_took: Duration,
    /// How long the guest ran. Neither image nor files are in it.
    pub run_took: Duration,
}

impl Ran {
    /// The host wanted it to end before its image was there.
    fn not_begun(reason: Aborted, facts: Facts) -> Self {
        let (image_took, run_took) = (Duration::ZERO, Duration::ZERO);
        Self { result: Err(reason), facts, cached_image: false, image_took, run_took }
    }
}

/// Everything of one run that has a name on the engine.
struct Names {
    run: String,
    guest: String,
    hold: String,
    volumes: Volumes,
}

impl Containers {
    /// Runs an order's command in an image.
    ///
    /// # Errors
    /// [`Error`], whose fault it says. Everything that the guest can cause is a [`RunResult`].
    pub async fn run(&self, image: &Image, order: &Order, control: &Control) -> Result<Ran, Error> {
        let connected = self.connect().await?;
        let ready = async {
            if let Err(error) = self.sweep_with(&connected.docker).await {
                tracing::warn!(%error, "what earlier containers left is removed later");
            }
            image.ready(&connected.docker, &connected.facts).await
        };
        let ready = match unless_raised(control, ready).await? {
            Ok(ready) => ready,
            Err(reason) => return Ok(Ran::not_begun(reason, connected.facts)),
        };
        let names = Names::new()?;
        self.active().insert(names.run.clone());
        let result = self.run_named(&connected, &ready.name, order, control, &names).await;
        let removed = self.remove(&connected.docker, &names.run).await;
        // What could not be removed is not under way any more, so the next sweep takes it.
        self.active().remove(&names.run);
        if let Err(error) = removed {
            tracing::warn!(run = names.run, %error, "a container's leavings are removed later");
        }
        let (result, run_took) = result?;
        Ok(Ran {
            result,
            facts: connected.facts,
            cached_image: ready.cached,
            image_took: ready.took,
            run_took,
        })
    }

    async fn run_named(
        &self,
        connected: &Connected,
        image: &str,
        order: &Order,
        control: &Control,
        names: &Names,
    ) -> Result<(RunResult, Duration), Error> {
        let labels = self.labels(&names.run);
        if let Err(reason) = unless_raised(control, self.fill(connected, order, names, &labels)).await? {
            return Ok((Err(reason), Duration::ZERO));
        }
        let body = body::guest(image.into(), order, &names.volumes, labels)?;
        create(connected, &names.guest, body).await?;
        let watched = self.start(connected, order, control, names).await?;
        let state = connected.docker.inspect_container(&names.guest, None).await?.state.unwrap_or_default();
        if let Some(Cause::Host(reason)) = watched.cause {
            return Ok((Err(reason), watched.took));
        }
        let (took, ordered) = (watched.took, Duration::from_micros(order.limits.fuel));
        if watched.cause == Some(Cause::Time) && control.wall_clock_max.is_some_and(|max| max < ordered) {
            return Ok((Err(Aborted::WallClock), took));
        }
        let found = collect(connected, order, names, &watched).await?;
        Ok((Ok(conclude(order, watched, &state, found)), took))
    }

    /// Makes the volumes and the container that holds them, and puts the files in.
    async fn fill(
        &self,
        connected: &Connected,
        order: &Order,
        names: &Names,
        labels: &HashMap<String, String>,
    ) -> Result<(), Error> {
        for request in names.volumes.requests(order, labels) {
            connected.docker.create_volume(request).await?;
        }
        let image = hold::image(connected).await?;
        create(connected, &names.hold, hold::body(image, &names.volumes, labels.clone())).await?;
        connected.docker.start_container(&names.hold, None::<StartContainerOptions>).await?;
        put(connected, &names.hold, "/data/algorithm", &order.algorithm).await?;
        put(connected, &names.hold, "/data/inputs", &order.inputs).await
    }

    /// Starts the guest and waits for its end. It is listened to before it can say anything.
    async fn start(
        &self,
        connected: &Connected,
        order: &Order,
        control: &Control,
        names: &Names,
    ) -> Result<Watched, Error> {
        let docker = &connected.docker;
        let listen = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
        let attached = docker.attach_container(&names.guest, Some(listen)).await?;
        match docker.start_container(&names.guest, None::<StartContainerOptions>).await {
            Ok(()) => {}
            // The engine says that what it was told to start cannot be started.
            Err(EngineError::DockerResponseServerError { status_code: 400 | 404, message }) => {
                return Err(Error::Start(message));
            }
            Err(error) => return Err(error.into()),
        }
        let began = tokio::time::Instant::now();
        let ended = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let ended = docker.wait_container(&names.guest, Some(ended));
        let ordered = Duration::from_micros(order.limits.fuel);
        let time = control.wall_clock_max.map_or(ordered, |max| max.min(ordered));
        let bounds = Bounds { time, stream_bytes: order.limits.output_bytes };
        Guest { docker, name: &names.guest, bounds, control, began }.watch(attached, ended).await
    }
}

impl Names {
    fn new() -> Result<Self, Error> {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(|error| Error::Engine(format!("no random name: {error}")))?;
        let run = hex::encode(random);
        Ok(Self {
            guest: format!("brizo-{run}-guest"),
            hold: format!("brizo-{run}-hold"),
            volumes: Volumes::of(&run),
            run,
        })
    }
}

async fn create(
    connected: &Connected,
    name: &str,
    body: bollard::models::ContainerCreateBody,
) -> Result<(), Error> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let created = connected.docker.create_container(Some(options), body).await?;
    // A warning says that a limit was passed over.
    match created.warnings.is_empty() {
        true => Ok(()),
        false => Err(Error::Lacks(created.warnings.join("; "))),
    }
}

async fn put(connected: &Connected, holder: &str, folder: &str, files: &[InputFile]) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let bytes: usize = files.iter().map(|file| (*file.bytes).as_ref().len()).sum();
    let pieces = futures_util::stream::iter(files::pieces(files)?.map(Into::into));
    let options = UploadToContainerOptionsBuilder::new().path(folder).build();
    // The answer comes when all is written.
    let patient = Duration::from_secs(ANSWER_S) + Duration::from_secs(bytes as u64 / WRITTEN_PER_S_MIN);
    let docker = connected.docker.clone().with_timeout(patient);
    Ok(docker.upload_to_container(holder, Some(options), bollard::body_stream(pieces)).await?)
}

/// Takes what is in the volume of the outputs, and sees that it was the guest's volume all the time.
async fn collect(
    connected: &Connected,
    order: &Order,
    names: &Names,
    watched: &Watched,
) -> Result<Found, Error> {
    let limits = &order.limits;
    let most = files::archive_bytes_max(limits.output_bytes, limits.output_files);
    let archive = archive(connected, &names.hold, most).await?;
    let state = connected.docker.inspect_container(&names.hold, None).await?.state.unwrap_or_default();
    if state.running != Some(true) {
        // Then the outputs went with it, and what was read is an empty folder.
        return Err(Error::Engine("the container that holds the outputs ended".into()));
    }
    // What was printed is there already, and says why a run failed.
    let printed = (watched.stdout.len() + watched.stderr.len()) as u64;
    Ok(files::outputs(&archive, limits.output_bytes, printed, limits.output_files))
}

/// The archive of the outputs, as far as `most` and a piece. Its connection is closed then: the engine locks a container
/// until somebody has taken all of it.
async fn archive(connected: &Connected, holder: &str, most: u64) -> Result<Vec<u8>, Error> {
    let options = DownloadFromContainerOptionsBuilder::new().path(OUTPUTS).build();
    let mut pieces = std::pin::pin!(connected.docker.download_from_container(holder, Some(options)));
    let mut archive = Vec::new();
    let silent = |_| Error::Engine("it is silent".into());
    while let Some(piece) = timeout(Duration::from_secs(ANSWER_S), pieces.next()).await.map_err(silent)? {
        archive.extend_from_slice(&piece?);
        if archive.len() as u64 > most {
            break;
        }
    }
    Ok(archive)
}

/// The ending by the profile's rules.
fn conclude(
    order: &Order,
    watched: Watched,
    state: &ContainerState,
    found: Found,
) -> (Ending, crate::sandbox::Outputs) {
    let limits = &order.limits;
    let Watched { cause, took, stdout, stderr } = watched;
    let code = u32::try_from(state.exit_code.unwrap_or_default()).unwrap_or(u32::MAX);
    let (status, trap) = match cause {
        Some(Cause::Time) => (Status::OutOfFuel, None),
        Some(Cause::Streams) => (Status::OutputLimit, None),
        _ if state.oom_killed == Some(true) && code != 0 => (Status::MemoryLimit, Some(TrapCode::Killed)),
        _ if found.over || (found.full && code != 0) => (Status::OutputLimit, None),
        _ => (Status::Exit, None),
    };
    let exit_code = if status == Status::Exit { code } else { 0 };
    let fuel_used = match status {
        Status::OutOfFuel => limits.fuel,
        _ => charged(took).min(limits.fuel),
    };
    let outputs = crate::sandbox::Outputs { stdout, stderr, ..found.outputs };
    (Ending { status, exit_code, trap, fuel_used, output_bytes: outputs.bytes() }, outputs)
}

/// Every second begun.
fn charged(took: Duration) -> u64 {
    let begun = took.as_secs() + u64::from(took.subsec_nanos() > 0);
    begun.max(1).saturating_mul(SECOND)
}

#[cfg(test)]
mod tests {
    use super::super::Owner;
    use super::*;
    use crate::sandbox::Limits;
    use brizo_receipt::B256;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    /// An engine that says what it is, and then nothing more, of which it tells.
    async fn silent(listener: tokio::net::UnixListener, waits: Arc<Notify>) {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let answer = match asked.split(' ').nth(1).unwrap_or_default() {
                path if path.ends_with("/version") => r#"{"ApiVersion":"1.41","Arch":"amd64"}"#,
                path if path.ends_with("/info") => {
                    r#"{"OSType":"linux","MemoryLimit":true,"SwapLimit":true,"CpuCfsQuota":true,"PidsLimit":true,"SecurityOptions":["name=seccomp,profile=default"]}"#
                }
                _ => {
                    held.push(stream);
                    waits.notify_one();
                    continue;
                }
            };
            let length = answer.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let whole = format!("{head}\r\nContent-Length: {length}\r\n\r\n{answer}");
            stream.write_all(whole.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_stop_is_heeded_while_the_engine_is_at_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let waits = Arc::<Notify>::default();
        let engine = tokio::spawn(silent(tokio::net::UnixListener::bind(&socket).unwrap(), waits.clone()));
        let order = Order {
            invocation: Default::default(),
            algorithm: vec![],
            inputs: vec![],
            limits: Limits { fuel: SECOND, memory_bytes: 1, stack: 0, output_bytes: 1, output_files: 1 },
            random_seed: B256::ZERO,
            clock_start: 0,
            clock_step: 0,
        };
        let (control, image) = (Control::default(), Image { digest: B256::ZERO, pull: None });
        let containers = Containers::new(&socket, Owner::this_process());
        let running = containers.run(&image, &order, &control);
        let stopping = async {
            waits.notified().await;
            control.stop();
        };
        let both = async { tokio::join!(running, stopping).0 };
        let ran = timeout(Duration::from_secs(20), both).await.expect("it waits for the engine").unwrap();
        assert_eq!(ran.result.unwrap_err(), Aborted::Stopped);
        engine.abort();
    }

    #[test]
    fn seconds_begun_are_charged() {
        for (took, expected) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_500, 60)] {
            assert_eq!(charged(Duration::from_millis(took)), expected * SECOND, "{took} ms");
        }
    }
}
