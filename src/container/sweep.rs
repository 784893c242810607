//! Removes containers and volumes: those of a run when it is over, and those that a killed process left behind. They are
//! found by their labels, so nothing has to be remembered.

use std::collections::HashMap;

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{Containers, Error, Owner};

/// Labels of everything that is made here.
const OWNER: &str = "org.brizo.owner";
const RUN: &str = "org.brizo.run";

impl Containers {
    /// The labels of what belongs to a run.
    pub(super) fn labels(&self, run: &str) -> HashMap<String, String> {
        HashMap::from([(OWNER.to_string(), self.owner.label()), (RUN.to_string(), run.to_string())])
    }

    /// Removes what earlier processes of this owner left behind, and what processes left that are no more. Returns how
    /// many things there were.
    ///
    /// # Errors
    /// [`Error`] when the engine cannot be asked.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let connected = self.connect().await?;
        self.sweep_with(&connected.docker).await
    }

    pub(super) async fn sweep_with(&self, docker: &Docker) -> Result<usize, Error> {
        self.remove_if(docker, |labels| self.is_left_over(labels)).await
    }

    /// Removes everything of a run.
    pub(super) async fn remove(&self, docker: &Docker, run: &str) -> Result<(), Error> {
        let its = |labels: &HashMap<String, String>| labels.get(RUN).is_some_and(|other| other == run);
        self.remove_if(docker, its).await.map(|_| ())
    }

    fn is_left_over(&self, labels: &HashMap<String, String>) -> bool {
        let (Some(owner), Some(run)) = (labels.get(OWNER), labels.get(RUN)) else { return false };
        // A provider looks after its own things: what it can see of processes depends on how it is locked in.
        if let Owner::Provider(_) = self.owner {
            return *owner == self.owner.label() && !self.active().contains(run);
        }
        // A process that runs something can be asked for; another provider cannot.
        let id = owner.strip_prefix("process-").and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        id.is_some_and(|id| test_kill_process(id) == Err(Errno::SRCH))
    }

    /// Containers first: a volume that is in use cannot be removed.
    async fn remove_if(
        &self,
        docker: &Docker,
        which: impl Fn(&HashMap<String, String>) -> bool,
    ) -> Result<usize, Error> {
        let ours = HashMap::from([("label", vec![OWNER])]);
        let list = ListContainersOptionsBuilder::new().all(true).filters(&ours).build();
        let (mut removed, mut failed) = (0, None);
        for container in docker.list_containers(Some(list)).await? {
            let (Some(id), Some(labels)) = (container.id, container.labels) else { continue };
            if which(&labels) {
                let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                // One that cannot be removed must not keep the others.
                match gone(docker.remove_container(&id, Some(force)).await) {
                    Ok(()) => removed += 1,
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        let list = ListVolumesOptionsBuilder::new().filters(&ours).build();
        for volume in docker.list_volumes(Some(list)).await?.volumes.unwrap_or_default() {
            if which(&volume.labels) {
                let options = RemoveVolumeOptionsBuilder::new().build();
                match gone(docker.remove_volume(&volume.name, Some(options)).await) {
                    Ok(()) => removed += 1,
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        failed.map_or(Ok(removed), Err)
    }
}

impl Owner {
    /// The owner for a process that runs something once.
    #[must_use]
    pub fn this_process() -> Self {
        Self::Process(std::process::id())
    }
}

/// Somebody else may have removed it meanwhile.
fn gone(result: Result<(), EngineError>) -> Result<(), Error> {
    match result {
        Ok(()) | Err(EngineError::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
