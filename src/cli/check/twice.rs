//! `brizo check --twice`: is the algorithm repeatable here, and does its result hang on seed or clock.

use std::path::PathBuf;

use anyhow::{Context, Result};
use brizo_receipt::{B256, Invocation};
use clap::Args;
use serde_json::{Value, json};

use super::super::Exit;
use super::super::format::{parse_bytes, parse_count};
use super::super::program::Program;
use super::super::run::{CLOCK_START, CLOCK_STEP, pairs};
use super::super::spec::{LocalInputs, compile_on, engine};
use crate::job;
use crate::sandbox::{
    Aborted, ArtefactCache, Backend, Control, Ending, Engine, Error, InputFile, Limits, Module, Order,
    Outputs, RunResult,
};

/// Nanoseconds of 1,000 days: another time, as far as any calendar goes.
const OTHER_CLOCK_NS: u64 = 1_000 * 86_400 * 1_000_000_000;

/// The options of the preflight.
#[derive(Debug, Args)]
pub(super) struct Twice {
    /// Run it, too: in several ways that must not make a difference, then with another seed and another clock.
    #[arg(long)]
    pub(super) twice: bool,
    /// Folder with mock data for --twice. [default: an empty data set]
    #[arg(long, requires = "twice")]
    input: Option<PathBuf>,
    /// Fuel of each run of --twice.
    #[arg(long, value_parser = parse_count, default_value = "10_000_000_000", requires = "twice")]
    fuel: u64,
    /// Linear memory of each run of --twice.
    #[arg(long, value_parser = parse_bytes, default_value = "1GiB", requires = "twice")]
    memory: u64,
    /// Environment variable for the guest, NAME=value; may be given several times.
    #[arg(long = "env", value_name = "NAME=VALUE", requires = "twice")]
    env: Vec<String>,
    /// Arguments for the guest, after `--`.
    #[arg(last = true, requires = "twice")]
    args: Vec<String>,
}

/// What a run gives, as far as a claim says it.
type Given = (Ending, Outputs);

/// One run beside the first, and what was other.
#[derive(Debug)]
struct Compared {
    way: &'static str,
    /// Empty if it gave the same; `Err` if the host could not do it.
    differences: Result<Vec<String>, String>,
}

/// What the preflight found.
#[derive(Debug)]
pub(super) struct Findings {
    first: Ending,
    compared: Vec<Compared>,
    /// On what the result depends, and on what the fuel alone.
    result_on: Vec<&'static str>,
    fuel_on: Vec<&'static str>,
}

impl Twice {
    /// Runs the program in every way.
    pub(super) fn preflight(&self, program: &Program) -> Result<Findings> {
        let inputs = LocalInputs::take(self.input.as_deref())?;
        let invocation = job::invocation(&program.start, &self.args, &pairs(&self.env)?, &[], None)?;
        let order = self.order(invocation, program.bundle.files.clone(), inputs.files.clone());
        let place = tempfile::tempdir().context("a temporary folder for compiled code")?;
        // A cache of its own, so that the first run is really cold and the second really from the cache.
        let native = engine(Backend::Native, Some(ArtefactCache::open(place.path())?))?;
        let (_, cold) = compile_on(&native, &program.module)?;
        let first = once(&native, &cold, &order).map_err(anyhow::Error::msg)?;
        let (_, warm) = compile_on(&native, &program.module)?;
        let compare = |way, second: Result<Given, String>| Compared {
            way,
            differences: second.map(|second| differences(&first, &second)),
        };
        let mut compared =
            vec![compare("again, with compiled code from the cache", once(&native, &warm, &order))];
        let (left, right) = beside(&native, &warm, &order);
        compared.push(compare("one of two runs side by side", left));
        compared.push(compare("the other of them", right));
        compared.push(compare(
            "in the portable interpreter instead of machine code",
            interpreted(program, &order),
        ));
        let (mut result_on, mut fuel_on) = (Vec::new(), Vec::new());
        for (name, other) in [("the random seed", other_seed(&order)), ("the clock", other_clock(&order))] {
            let other = once(&native, &warm, &other).map_err(anyhow::Error::msg)?;
            if !same_result(&first, &other) {
                result_on.push(name);
            } else if first.0.fuel_used != other.0.fuel_used {
                fuel_on.push(name);
            }
        }
        Ok(Findings { first: first.0, compared, result_on, fuel_on })
    }

    fn order(&self, invocation: Invocation, algorithm: Vec<InputFile>, inputs: Vec<InputFile>) -> Order {
        let limits = Limits {
            fuel: self.fuel,
            memory_bytes: self.memory,
            stack: job::STACK_LIMIT_DEFAULT,
            output_bytes: 64 << 20,
            output_files: 1_000,
        };
        let (random_seed, clock_start, clock_step) = (B256::ZERO, CLOCK_START, CLOCK_STEP);
        Order { invocation, algorithm, inputs, limits, random_seed, clock_start, clock_step }
    }
}

fn other_seed(order: &Order) -> Order {
    Order { random_seed: B256::repeat_byte(0x5a), ..order.clone() }
}

fn other_clock(order: &Order) -> Order {
    let (clock_start, clock_step) = (order.clock_start + OTHER_CLOCK_NS, order.clock_step * 1_001 + 7);
    Order { clock_start, clock_step, ..order.clone() }
}

/// One run; the host's failures as a sentence.
fn once(engine: &Engine, module: &Module, order: &Order) -> Result<Given, String> {
    told(engine.run(module, order, &Control::default()))
}

fn told(result: Result<RunResult, Error>) -> Result<Given, String> {
    let aborted = |aborted: Aborted| format!("{aborted}; such an end makes no claim");
    result.map_err(|error| error.to_string())?.map_err(aborted)
}

fn beside(engine: &Engine, module: &Module, order: &Order) -> (Result<Given, String>, Result<Given, String>) {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| once(engine, module, order));
        let own = once(engine, module, order);
        (own, other.join().unwrap_or_else(|_| Err("the thread of the run failed".into())))
    })
}

/// A run in wasmtime's interpreter, which shares no instruction selection with the machine code.
fn interpreted(program: &Program, order: &Order) -> Result<Given, String> {
    let engine = engine(Backend::Pulley, None).map_err(|error| format!("{error:#}"))?;
    let (_, module) = compile_on(&engine, &program.module).map_err(|error| format!("{error:#}"))?;
    once(&engine, &module, order)
}

/// Names everything that two runs do not share.
fn differences(a: &Given, b: &Given) -> Vec<String> {
    let mut found = Vec::new();
    let end = |ending: &Ending| ending.outcome(B256::ZERO).text();
    if (a.0.status, a.0.exit_code, a.0.trap) != (b.0.status, b.0.exit_code, b.0.trap) {
        found.push(format!("the end: {} and {}", end(&a.0), end(&b.0)));
    }
    if a.0.fuel_used != b.0.fuel_used {
        found.push(format!("the fuel: {} and {}", a.0.fuel_used, b.0.fuel_used));
    }
    let (x, y) = (&a.1, &b.1);
    let paths = x.files.keys().chain(y.files.keys().filter(|path| !x.files.contains_key(*path)));
    found.extend(
        paths
            .filter(|path| x.files.get(*path) != y.files.get(*path))
            .map(|path| format!("the file {path:?}")),
    );
    for (name, same) in [
        ("the folders", x.folders == y.folders),
        ("stdout", x.stdout == y.stdout),
        ("stderr", x.stderr == y.stderr),
    ] {
        if !same {
            found.push(name.into());
        }
    }
    found
}

/// Whether two runs give the same, whatever they cost.
fn same_result(a: &Given, b: &Given) -> bool {
    let cheap = |given: &Given| Ending { fuel_used: 0, ..given.0 };
    cheap(a) == cheap(b) && a.1 == b.1
}

impl Findings {
    /// Nothing differs, and everything was tried.
    pub(super) fn exit(&self) -> Exit {
        let same = |compared: &Compared| compared.differences.as_ref().is_ok_and(Vec::is_empty);
        if self.compared.iter().all(same) { Exit::OK } else { Exit::INCONCLUSIVE }
    }

    /// One sentence for the author.
    fn sentence(&self) -> String {
        if self
            .compared
            .iter()
            .any(|compared| compared.differences.as_ref().is_ok_and(|list| !list.is_empty()))
        {
            return "NOT repeatable: two runs of the same order differ. That is a bug of the sandbox; please report it with the module".into();
        }
        if self.exit() != Exit::OK {
            return "INCONCLUSIVE: not every way of running it could be tried".into();
        }
        let mut text = match self.result_on.as_slice() {
            [] => "repeatable; the result does not depend on the random seed or the clock".into(),
            names => format!("repeatable; the result depends on {}", names.join(" and ")),
        };
        if !self.fuel_on.is_empty() {
            text += &format!("; the fuel, and only it, depends on {}", self.fuel_on.join(" and "));
        }
        text
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let compared = self.compared.iter().map(|compared| match &compared.differences {
            Ok(differences) => json!({ "way": compared.way, "differences": differences }),
            Err(why) => json!({ "way": compared.way, "notDone": why }),
        });
        json!({
            "repeatable": self.exit() == Exit::OK,
            "verdict": self.sentence(),
            "end": self.first.outcome(B256::ZERO).text(),
            "fuelUsed": self.first.fuel_used.to_string(),
            "runs": compared.collect::<Vec<_>>(),
            "resultDependsOn": self.result_on,
            "fuelDependsOn": self.fuel_on,
        })
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "first run           {}, {} units of fuel\n",
            self.first.outcome(B256::ZERO).text(),
            self.first.fuel_used
        );
        for compared in &self.compared {
            let what = match &compared.differences {
                Ok(list) if list.is_empty() => "the same".into(),
                Ok(list) => format!("OTHER: {}", list.join(", ")),
                Err(why) => format!("not done: {why}"),
            };
            text += &format!("  {}: {what}\n", compared.way);
        }
        text + &self.sentence()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Written;
    use brizo_receipt::Status;

    fn given(fuel: u64, file: &str, stdout: &str) -> Given {
        let ending =
            Ending { status: Status::Exit, exit_code: 0, trap: None, fuel_used: fuel, output_bytes: 1 };
        let files = [("a".to_string(), file.as_bytes().to_vec().into())].into();
        (ending, Outputs { files, stdout: stdout.into(), ..Outputs::default() })
    }

    fn findings(differences: Result<Vec<String>, String>) -> Findings {
        let compared = vec![Compared { way: "again", differences }];
        Findings { first: given(1, "", "").0, compared, result_on: vec!["the clock"], fuel_on: Vec::new() }
    }

    #[test]
    fn everything_that_differs_is_named() {
        assert!(differences(&given(1, "x", "y"), &given(1, "x", "y")).is_empty());
        let found = differences(&given(1, "x", "y"), &given(2, "z", "w"));
        assert_eq!(found, ["the fuel: 1 and 2", "the file \"a\"", "stdout"]);
        let mut other = given(1, "x", "y");
        (other.0.exit_code, other.1.folders) = (7, vec!["t".into()]);
        other.1.files.insert("b".into(), Written::default());
        assert_eq!(
            differences(&given(1, "x", "y"), &other),
            ["the end: exit 0 and exit 7", "the file \"b\"", "the folders"]
        );
        assert!(same_result(&given(1, "x", "y"), &given(2, "x", "y")));
        assert!(!same_result(&given(1, "x", "y"), &given(1, "x", "z")));
    }

    #[test]
    fn what_differs_or_was_not_tried_is_no_success() {
        let cases = [
            (Ok(Vec::new()), Exit::OK, "repeatable; the result depends on the clock"),
            (Ok(vec!["stdout".into()]), Exit::INCONCLUSIVE, "NOT repeatable"),
            (Err("no memory".into()), Exit::INCONCLUSIVE, "INCONCLUSIVE"),
        ];
        for (result, exit, sentence) in cases {
            let findings = findings(result);
            assert_eq!(findings.exit(), exit);
            assert!(findings.sentence().starts_with(sentence), "{}", findings.sentence());
            assert_eq!(findings.document()["repeatable"], exit == Exit::OK);
        }
    }
}
