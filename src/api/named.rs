//! What a request in older words is about. Its ids and numbers have one form and one length each, so that a text that is signed
//! over them, which has no separators, reads in one way only.

use super::problem::Problem;
use crate::ids::{AgreementId, JobId};

/// Runs of an agreement that a text can name: those with a number of one digit.
const RUNS: u64 = 10;
/// Files of a job that a text can name: those with a number of one or two digits. Nonces have 10 digits or 13, so no number of
/// digits behind a job's id can be read in two ways.
const FILES: usize = 100;

/// What is named, as the request has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// A job, an agreement, or a job with the agreement that it is of. Neither: all jobs of the caller.
    Jobs {
        /// The job's id.
        job: Option<&'a str>,
        /// The agreement's.
        agreement: Option<&'a str>,
    },
    /// A file that a job left.
    Result {
        /// The job's id.
        job: &'a str,
        /// The file's number.
        index: Option<usize>,
    },
}

impl About<'_> {
    /// Whether everything that is given is what it has to be, whoever asks.
    ///
    /// # Errors
    /// `bad_identifier`; `bad_query` for a job with the agreement of another.
    pub(super) fn check(self) -> Result<(), Problem> {
        let (job, agreement) = match self {
            Self::Jobs { job, agreement } => (job, agreement),
            Self::Result { job, .. } => (Some(job), None),
        };
        let job: Option<JobId> = job.map(str::parse).transpose()?;
        let agreement: Option<AgreementId> = agreement.map(str::parse).transpose()?;
        match (job, agreement) {
            (Some(job), Some(agreement)) if job.agreement != agreement => Err(Problem::bad_request(
                "bad_query",
                format!("job {job} is not one of agreement {agreement}"),
            )
            .hint("leave serviceAgreementId out, or send the job's")),
            _ => Ok(()),
        }
    }

    /// What stands in the text between the address and the nonce. Only after [`About::check`].
    ///
    /// # Errors
    /// `bad_query` for what a text cannot name.
    pub(super) fn text(self) -> Result<String, Problem> {
        let beyond = |what: String| {
            Problem::bad_request("bad_query", what)
                .hint("sign this request with the header of docs/API.md, which has no such limit")
        };
        let run = |job: &str| match job.parse::<JobId>()?.run_index {
            run if run < RUNS => Ok(()),
            run => Err(beyond(format!("a text can name runs 0 to {}, not {run}", RUNS - 1))),
        };
        match self {
            Self::Jobs { job, agreement } => {
                job.map(run).transpose()?;
                Ok([job, agreement].map(Option::unwrap_or_default).concat())
            }
            Self::Result { job, index } => {
                run(job)?;
                match index {
                    Some(index) if index < FILES => Ok(format!("{job}{index}")),
                    Some(_) => Err(beyond(format!("a text can name files 0 to {}", FILES - 1))),
                    None => Err(beyond("a text must name the file: index is missing".into())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const IDS: [&str; 2] = [
        "08a429b8529856d59867503f8056903a680935a76950bb9649785cc97869a43d",
        // Nothing but digits, and all the same: the easiest to shift.
        "1111111111111111111111111111111111111111111111111111111111111111",
    ];

    fn good(about: About<'_>) -> Option<String> {
        about.check().and_then(|()| about.text()).ok()
    }

    #[test]
    fn no_text_is_about_two_things() {
        // Numbers that end with each other, with all the digits in front that could belong to an index.
        let nonces: Vec<String> = ["", "1795252959", "1111111111"]
            .into_iter()
            .flat_map(|nonce| {
                let longer = |digits| (!nonce.is_empty()).then(|| format!("{digits}{nonce}"));
                [Some(nonce.to_owned()), longer("179"), longer("111"), longer("100")].into_iter().flatten()
            })
            .collect();
        let mut texts: HashMap<String, String> = HashMap::new();
        let mut count = |about: About<'_>| {
            let Some(named) = good(about) else { return false };
            for nonce in &nonces {
                // The same thing in another spelling has another text, so only the text's own uniqueness counts.
                let meant = format!("{about:?} {nonce}");
                let other = texts.insert(format!("{named}{nonce}"), meant.clone());
                assert_eq!(other, None, "{meant}");
            }
            true
        };
        for id in IDS {
            assert!(count(About::Jobs { job: None, agreement: Some(id) }));
            for run in (0..130).map(|run| format!("{run}")).chain(["00", "01", "+1", ""].map(String::from)) {
                let (job, long) = (format!("{id}-{run}"), format!("0x{id}"));
                let one_digit = run.len() == 1;
                for agreement in [None, Some(id), Some(&*long)] {
                    assert_eq!(count(About::Jobs { job: Some(&job), agreement }), one_digit, "{run}");
                }
                for index in 0..300 {
                    let counts = count(About::Result { job: &job, index: Some(index) });
                    assert_eq!(counts, one_digit && index < FILES, "{run} {index}");
                }
                assert!(!count(About::Result { job: &job, index: None }));
            }
        }
    }

    #[test]
    fn digits_that_were_moved_name_nothing() {
        let [id, other] = IDS;
        let (job, nonce) = (format!("{id}-0"), "1795252959123");
        for agreement in [nonce, "", "0", other, &format!("{id}1"), &format!("{id}{nonce}")] {
            assert!(
                good(About::Jobs { job: Some(&job), agreement: Some(agreement) }).is_none(),
                "{agreement}"
            );
        }
        for agreement in [nonce, "", &id[1..], &format!("{id}{nonce}")] {
            assert!(good(About::Jobs { job: None, agreement: Some(agreement) }).is_none(), "{agreement}");
        }
        for job in [format!("{job}{nonce}"), format!("{id}-1{nonce}"), format!("{id}{nonce}"), id.to_owned()]
        {
            assert!(good(About::Jobs { job: Some(&job), agreement: None }).is_none(), "{job}");
            assert!(good(About::Result { job: &job, index: Some(0) }).is_none(), "{job}");
        }
        let index = format!("0{nonce}").parse().ok();
        assert!(good(About::Result { job: &job, index }).is_none());
    }
}
