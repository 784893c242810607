//! What a guest is started with: the seeds' two folders as first arguments, Ocean's variables, then the consumer's own.

use brizo_receipt::Invocation;

use super::runtime::Start;

/// Folders as the guest sees them.
const INPUTS: &str = "/data/inputs";
const OUTPUTS: &str = "/data/outputs";
/// Variables that the provider sets; the consumer cannot.
const RESERVED: [&str; 6] = ["VOLUME", "INPUTS", "OUTPUTS", "LOGS", "DIDS", "TRANSFORMATION_DID"];
/// Bytes of all arguments and variables together.
const BYTES_MAX: usize = 64 * 1024;

/// Why arguments or variables are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInvocation {
    /// A NUL inside, which C programs cannot see past.
    #[error("argument or variable {0:?} holds a NUL byte")]
    Nul(String),
    /// A name that is empty, holds `=`, or belongs to the provider.
    #[error("variable name {0:?} is empty, holds `=`, stands twice, or is set by the provider")]
    Name(String),
    /// Too much.
    #[error("arguments and variables have {0} bytes, at most {BYTES_MAX} are taken")]
    TooLong(usize),
}

/// Builds the invocation from the consumer's arguments and variables.
///
/// `start` is how the program itself is started, `dids` are the mounted data sets, and `algorithm_did` is the algorithm's
/// own, if it was given by DID.
///
/// # Errors
/// [`BadInvocation`] says which argument or variable cannot be given to a guest.
pub fn invocation(
    start: &Start,
    args: &[String],
    env: &[(String, String)],
    dids: &[String],
    algorithm_did: Option<&str>,
) -> Result<Invocation, BadInvocation> {
    check_size(args, env)?;
    let quoted: Vec<_> = dids.iter().map(|did| format!("{did:?}")).collect();
    let dids = format!("[{}]", quoted.join(","));
    let fixed = [
        ("VOLUME", "/data"),
        ("INPUTS", INPUTS),
        ("OUTPUTS", OUTPUTS),
        ("LOGS", "/data/logs"),
        ("DIDS", &dids),
    ];
    let mut variables: Vec<(String, String)> =
        fixed.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    variables.extend(algorithm_did.map(|did| ("TRANSFORMATION_DID".to_string(), did.to_string())));
    variables.extend(start.env.iter().cloned());
    for (name, value) in env {
        if name.is_empty() || name.contains('=') || RESERVED.contains(&name.as_str()) {
            return Err(BadInvocation::Name(name.clone()));
        }
        variables.push((name.clone(), value.clone()));
    }
    // One order for everybody: the manifest binds names, not positions.
    variables.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    if let Some(pair) = variables.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(BadInvocation::Name(pair[0].0.clone()));
    }
    let folders = [INPUTS, OUTPUTS].map(String::from);
    let args = start.args.iter().cloned().chain(folders).chain(args.iter().cloned()).collect();
    Ok(Invocation { args, env: variables })
}

/// Looked at before anything is built from them: they come from the network.
fn check_size(args: &[String], env: &[(String, String)]) -> Result<(), BadInvocation> {
    let texts = || args.iter().chain(env.iter().flat_map(|(name, value)| [name, value]));
    let bytes: usize = texts().map(|text| text.len() + 1).sum();
    if bytes > BYTES_MAX {
        return Err(BadInvocation::TooLong(bytes));
    }
    match texts().find(|text| text.contains('\0')) {
        Some(text) => Err(BadInvocation::Nul(text.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_two_folders_come_first() {
        let built = invocation(
            &Start::default(),
            &["--by".into()],
            &[("LANG".into(), "C".into())],
            &["did:op:1".into()],
            None,
        )
        .unwrap();
        assert_eq!(built.args, ["algorithm", "/data/inputs", "/data/outputs", "--by"]);
        assert!(built.env.contains(&("DIDS".into(), "[\"did:op:1\"]".into())));
        assert!(built.env.is_sorted(), "{:?}", built.env);
    }

    #[test]
    fn hostile_arguments_are_refused() {
        let env = |name: &str| invocation(&Start::default(), &[], &[(name.into(), "x".into())], &[], None);
        for name in ["", "A=B", "INPUTS", "TRANSFORMATION_DID"] {
            assert!(matches!(env(name), Err(BadInvocation::Name(_))), "{name:?}");
        }
        assert!(matches!(
            invocation(&Start::default(), &["a\0b".into()], &[], &[], None),
            Err(BadInvocation::Nul(_))
        ));
        let twice = [("A".to_string(), String::new()), ("A".to_string(), String::new())];
        assert!(matches!(invocation(&Start::default(), &[], &twice, &[], None), Err(BadInvocation::Name(_))));
        assert!(matches!(
            invocation(&Start::default(), &["x".repeat(70_000)], &[], &[], None),
            Err(BadInvocation::TooLong(_))
        ));
    }
}
