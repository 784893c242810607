//! Waits for a guest: takes what it prints, and ends it when its time is up, when it prints too much, or when the host
//! wants it to end.

use std::time::Duration;

use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as EngineError;
use bollard::models::ContainerWaitResponse;
use bollard::query_parameters::KillContainerOptionsBuilder;
use futures_util::{Stream, StreamExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::sandbox::{Aborted, Control};

use super::Error;
use super::profile::GRACE_S;

/// How often the host's wishes are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the end of the streams, or of a killed guest, may take. The host's fault beyond it.
const END_MAX: Duration = Duration::from_secs(60);

/// What a guest may do before it is ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Time that was ordered.
    pub(super) time: Duration,
    /// Bytes of both streams.
    pub(super) stream_bytes: u64,
}

/// Why a guest was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The time that was ordered was up.
    Time,
    /// It printed more than was ordered.
    Streams,
    /// The host wanted it.
    Host(Aborted),
}

/// How a guest ended, as far as it can be seen from here.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) cause: Option<Cause>,
    pub(super) took: Duration,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// A guest that runs.
pub(super) struct Guest<'a> {
    pub(super) docker: &'a Docker,
    pub(super) name: &'a str,
    pub(super) bounds: Bounds,
    pub(super) control: &'a Control,
    /// When it was started.
    pub(super) began: Instant,
}

/// What was done to a guest, and when the next harder thing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Asked(Instant),
    Killed(Instant),
}

/// Does something that the engine may take long for, or nothing more of it once the host wants the run to end.
pub(super) async fn unless_raised<T>(
    control: &Control,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Aborted>, Error> {
    let mut looks = interval(LOOK);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            _ = looks.tick() => if let Some(reason) = control.raised() { return Ok(Err(reason)) },
            done = &mut work => return done.map(Ok),
        }
    }
}

impl Guest<'_> {
    /// Waits until it has ended and said everything.
    pub(super) async fn watch(
        &self,
        mut attached: AttachContainerResults,
        ended: impl Stream<Item = Result<ContainerWaitResponse, EngineError>>,
    ) -> Result<Watched, Error> {
        let mut ended = std::pin::pin!(ended);
        let mut watched = Watched { cause: None, took: Duration::ZERO, stdout: vec![], stderr: vec![] };
        let (mut looks, mut phase, mut open) = (interval(LOOK), Phase::Running, true);
        // Beside the reading: an engine that waits for its streams to be taken answers nothing.
        let mut sending = JoinSet::new();
        loop {
            let mut due = false;
            tokio::select! {
                end = ended.next() => {
                    check_end(end)?;
                    watched.took = self.began.elapsed();
                    break;
                }
                piece = attached.output.next(), if open => open = self.take(piece, &mut watched)?,
                _ = looks.tick() => watched.cause = watched.cause.or_else(|| self.control.raised().map(Cause::Host)),
                Some(sent) = sending.join_next() => sent.map_err(|error| Error::Engine(error.to_string()))??,
                () = sleep_until(self.due(phase)) => due = true,
            }
            let (next, signal) = proceed(phase, due, &mut watched)?;
            phase = next;
            if let Some(signal) = signal {
                sending.spawn(send(self.docker.clone(), self.name.to_string(), signal));
            }
        }
        let drained = timeout(END_MAX, async {
            while open {
                open = self.take(attached.output.next().await, &mut watched)?;
            }
            Ok::<(), Error>(())
        });
        drained.await.map_err(|_| Error::Engine("the guest's streams did not end with it".into()))??;
        Ok(watched)
    }

    fn due(&self, phase: Phase) -> Instant {
        match phase {
            Phase::Running => self.began + self.bounds.time,
            Phase::Asked(at) => at + Duration::from_secs(GRACE_S),
            Phase::Killed(at) => at + END_MAX,
        }
    }

    /// Keeps a piece of a stream. Returns whether more may come.
    fn take(
        &self,
        piece: Option<Result<LogOutput, EngineError>>,
        watched: &mut Watched,
    ) -> Result<bool, Error> {
        let Some(piece) = piece else { return Ok(false) };
        let (stream, bytes) = match piece? {
            LogOutput::StdErr { message } => (&mut watched.stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut watched.stdout, message),
            LogOutput::StdIn { .. } => return Ok(true),
        };
        stream.extend_from_slice(&bytes);
        let (all, most) = ((watched.stdout.len() + watched.stderr.len()) as u64, self.bounds.stream_bytes);
        if all > most {
            watched.cause.get_or_insert(Cause::Streams);
            let over = (all - most) as usize;
            let shorter = watched.stderr.len().saturating_sub(over);
            let rest = over.saturating_sub(watched.stderr.len());
            watched.stderr.truncate(shorter);
            watched.stdout.truncate(watched.stdout.len() - rest);
        }
        Ok(true)
    }
}

/// Asks, kills, or gives up: what comes next, and the signal that does it.
fn proceed(phase: Phase, due: bool, watched: &mut Watched) -> Result<(Phase, Option<&'static str>), Error> {
    let now = Instant::now();
    match phase {
        Phase::Running if watched.cause.is_some() => Ok((Phase::Killed(now), Some("SIGKILL"))),
        Phase::Running if due => {
            watched.cause = Some(Cause::Time);
            Ok((Phase::Asked(now), Some("SIGTERM")))
        }
        Phase::Asked(_) if due => Ok((Phase::Killed(now), Some("SIGKILL"))),
        Phase::Killed(_) if due => Err(Error::Engine("a guest that was killed did not end".into())),
        same => Ok((same, None)),
    }
}

async fn send(docker: Docker, name: String, signal: &'static str) -> Result<(), Error> {
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    match docker.kill_container(&name, Some(options)).await {
        // It has ended meanwhile.
        Ok(()) | Err(EngineError::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The end of the wait: the guest's, or the engine's.
fn check_end(end: Option<Result<ContainerWaitResponse, EngineError>>) -> Result<(), Error> {
    match end {
        // Another exit code than 0 is an error to the library, not to us.
        Some(Ok(_) | Err(EngineError::DockerContainerWaitError { .. })) => Ok(()),
        Some(Err(error)) => Err(error.into()),
        None => Err(Error::Engine("it went away during the run".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_asked_once_and_then_killed() {
        let mut watched = Watched { cause: None, took: Duration::ZERO, stdout: vec![], stderr: vec![] };
        assert_eq!(proceed(Phase::Running, false, &mut watched).unwrap(), (Phase::Running, None));
        let (asked, signal) = proceed(Phase::Running, true, &mut watched).unwrap();
        assert_eq!((signal, watched.cause), (Some("SIGTERM"), Some(Cause::Time)));
        assert_eq!(proceed(asked, false, &mut watched).unwrap(), (asked, None));
        let (killed, signal) = proceed(asked, true, &mut watched).unwrap();
        assert_eq!(signal, Some("SIGKILL"));
        assert_eq!(proceed(killed, false, &mut watched).unwrap(), (killed, None));
        assert!(proceed(killed, true, &mut watched).is_err(), "then it is the engine's fault");
        watched.cause = Some(Cause::Streams);
        assert_eq!(proceed(Phase::Running, false, &mut watched).unwrap().1, Some("SIGKILL"));
    }
}
