//! Removes containers and volumes: those of a run when it is over, and those that a killed process left behind. They are
//! found by their labels, so nothing has to be remembered.

use std::collections::HashMap;
use std::path::Path;

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};

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
        if let Owner::Provider(_) = self.owner
            && *owner == self.owner.label()
        {
            return !self.active().contains(run);
        }
        // A process that runs something can be seen to be gone; another provider cannot.
        let id = owner.strip_prefix("process-").and_then(|id| id.parse::<u32>().ok());
        id.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists())
    }

    /// Containers first: a volume that is in use cannot be removed.
    async fn remove_if(
        &self,
        docker: &Docker,
        which: impl Fn(&HashMap<String, String>) -> bool,
    ) -> Result<usize, Error> {
        let ours = HashMap::from([("label", vec![OWNER])]);
        let list = ListContainersOptionsBuilder::new().all(true).filters(&ours).build();
        let mut removed = 0;
        for container in docker.list_containers(Some(list)).await? {
            let (Some(id), Some(labels)) = (container.id, container.labels) else { continue };
            if which(&labels) {
                let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                gone(docker.remove_container(&id, Some(force)).await)?;
                removed += 1;
            }
        }
        let list = ListVolumesOptionsBuilder::new().filters(&ours).build();
        for volume in docker.list_volumes(Some(list)).await?.volumes.unwrap_or_default() {
            if which(&volume.labels) {
                let options = RemoveVolumeOptionsBuilder::new().build();
                gone(docker.remove_volume(&volume.name, Some(options)).await)?;
                removed += 1;
            }
        }
        Ok(removed)
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
