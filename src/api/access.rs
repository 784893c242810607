//! The one decision about a job, for every endpoint: `authorize` finds out what the caller is to it and asks the table.

use brizo_receipt::Address;

use super::ApiState;
use super::problem::Problem;
use crate::ids::JobId;
use crate::job::{Right, Role};
use crate::store::JobRow;

/// Code of the answer about a job that is none, or none of the caller's.
pub(super) const UNKNOWN_JOB: &str = "job_not_found";

/// The job, if the caller may do this. A job of somebody else looks like none at all, so that ids tell nothing; who may
/// know of it is told what they may not do.
pub(super) async fn authorize(
    state: &ApiState,
    caller: Address,
    id: &str,
    right: Right,
) -> Result<JobRow, Problem> {
    let id: JobId = id.parse()?;
    let found = state.store.read(move |store| Ok((store.job(id)?, store.party(id, caller)?))).await?;
    let (job, named) = match found {
        (Some(job), named) => (job, named),
        (None, _) => return Err(unknown(id, caller)),
    };
    match role(&job, named, caller, state.chain.sender()) {
        Role::Stranger => Err(unknown(id, caller)),
        role if role.may(right) => Ok(job),
        role => Err(Problem::forbidden(
            "not_permitted",
            format!("{caller} is the {} of job {id}, which does not allow this", role.word()),
        )
        .hint("docs/API.md has the table of who may do what; the job's consumer may do all of it")),
    }
}

/// What the caller is to the job.
pub(super) fn role(job: &JobRow, named: Option<Role>, caller: Address, publisher: Address) -> Role {
    if caller == job.consumer {
        Role::Owner
    } else if caller == publisher {
        // Whom the consumer named the viewer is that, though it be the publisher.
        if named == Some(Role::Viewer) { Role::Viewer } else { Role::Publisher }
    } else {
        named.unwrap_or(Role::Stranger)
    }
}

pub(super) fn unknown(id: JobId, caller: Address) -> Problem {
    Problem::not_found(UNKNOWN_JOB, format!("there is no job {id} of {caller}"))
        .hint("GET /api/v1/jobs lists your jobs")
}
