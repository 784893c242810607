//! One script in both forms at once, directive by directive.

use std::collections::HashMap;

use brizo_meter::{Options, rewrite};
use wasmparser::{Validator, WasmFeatures};
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

use crate::features;
use crate::tally::Tally;
use crate::values::{Form, argument, expected};
use crate::world::{End, World};

/// The rules of the profile, with the module's exports kept so that they can be called.
const OPTIONS: Options = Options { keep_exports: true, ..Options::PROFILE };

/// Why an assertion is left out.
const OUTSIDE: &str = "about a module that is outside";
const AFTER: &str = "equal in both forms, but without the effects of a module that is outside";
const OLDER: &str = "not valid only by the rules of an older version";
const TEXT: &str = "about the text format";
const LATER: &str = "with values of later proposals";
const OTHER: &str = "a directive that says nothing about instances";

/// A module in both forms.
#[derive(Clone)]
struct Both {
    plain: Vec<u8>,
    rewritten: Vec<u8>,
}

struct Script {
    name: String,
    tally: Tally,
    plain: World,
    rewritten: World,
    defined: HashMap<Option<String>, Option<Both>>,
    line: usize,
}

/// Runs a script.
pub(crate) fn run(name: &str, text: &str) -> Tally {
    let mut script = Script {
        name: name.to_owned(),
        tally: Tally { files: 1, ..Tally::default() },
        plain: World::new(Form::Plain),
        rewritten: World::new(Form::Rewritten),
        defined: HashMap::new(),
        line: 0,
    };
    let mut lexer = Lexer::new(text);
    // One script tries characters that are hard to tell apart.
    lexer.allow_confusing_unicode(true);
    let parsed = ParseBuffer::new_with_lexer(lexer);
    let wast = parsed.as_ref().map_err(ToString::to_string);
    match wast.and_then(|buffer| parse::<Wast<'_>>(buffer).map_err(|e| e.message())) {
        Ok(wast) => {
            for directive in wast.directives {
                script.line = directive.span().linecol_in(text).0 + 1;
                script.directive(directive);
            }
        }
        Err(why) => script.tally.skip(&format!("whole file {name} not parsed: {why}")),
    }
    let (plain, rewritten) = (script.plain.left_behind(), script.rewritten.left_behind());
    if plain != rewritten {
        let differing = plain.iter().zip(&rewritten).find(|(one, other)| one != other);
        let which = differing.map(|((number, name, _), _)| (number, name));
        script.tally.differences.push(format!("{name}: other memories or globals at the end: {which:?}"));
    }
    script.tally
}

fn text_of(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

impl Script {
    fn differ(&mut self, what: &str) {
        self.tally.differences.push(format!("{}:{}: {what}", self.name, self.line));
    }

    fn directive(&mut self, directive: WastDirective<'_>) {
        match directive {
            WastDirective::Module(module) => {
                let name = text_of(module.name());
                let both = self.both(module);
                self.define(name, both);
            }
            WastDirective::ModuleDefinition(module) => {
                let name = text_of(module.name());
                let both = self.both(module);
                self.defined.insert(name, both);
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let both = self.defined.get(&text_of(module)).cloned().flatten();
                self.define(text_of(instance), both);
            }
            WastDirective::Register { name, module, .. } => {
                let module = text_of(module);
                let of = |world: &World| world.instance(module.as_deref());
                match (of(&self.plain), of(&self.rewritten)) {
                    (Some(plain), Some(rewritten)) => {
                        self.plain.register(name, plain);
                        self.rewritten.register(name, rewritten);
                    }
                    _ => self.tally.skip(OUTSIDE),
                }
            }
            WastDirective::Invoke(invoke) => {
                self.execute(WastExecute::Invoke(invoke), None, |end| matches!(end, End::Values(_)))
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                self.execute(exec, Some(&results), |end| matches!(end, End::Values(_)));
            }
            WastDirective::AssertTrap { exec, .. } => {
                self.execute(exec, None, |end| matches!(end, End::Trap(_)));
            }
            WastDirective::AssertExhaustion { call, .. } => {
                self.execute(WastExecute::Invoke(call), None, |end| *end == End::StackExhausted);
            }
            WastDirective::AssertException { exec, .. } => {
                self.execute(exec, None, |end| *end == End::Exception);
            }
            WastDirective::AssertUnlinkable { module, .. } => {
                self.execute(WastExecute::Wat(module), None, |end| *end == End::Unlinkable);
            }
            WastDirective::AssertInvalid { module, .. } | WastDirective::AssertMalformed { module, .. } => {
                self.refused(module);
            }
            _ => self.tally.skip(OTHER),
        }
    }

    /// A module in both forms, or a note why it is outside.
    fn both(&mut self, mut module: QuoteWat<'_>) -> Option<Both> {
        let plain = match module.encode() {
            Ok(plain) => plain,
            Err(error) => {
                *self.tally.outside.entry(format!("not encoded: {}", error.message())).or_default() += 1;
                return None;
            }
        };
        let rewritten = match rewrite(&plain, features(), &OPTIONS) {
            Ok(rewritten) => rewritten,
            Err(error) => {
                let why = outside(&plain, &error);
                *self.tally.outside.entry(why).or_default() += 1;
                return None;
            }
        };
        let valid = Validator::new_with_features(
            features() | WasmFeatures::MULTI_MEMORY | WasmFeatures::CUSTOM_PAGE_SIZES,
        )
        .validate_all(&rewritten)
        .err();
        if let Some(error) = valid {
            self.differ(&format!("the rewritten module is not valid: {error}"));
            return None;
        }
        Some(Both { plain, rewritten })
    }

    fn define(&mut self, name: Option<String>, both: Option<Both>) {
        let (mut plain, mut rewritten) = (None, None);
        if let Some(both) = both {
            match (self.plain.instantiate(&both.plain), self.rewritten.instantiate(&both.rewritten)) {
                (Ok(one), Ok(other)) => {
                    (plain, rewritten) = (Some(one), Some(other));
                    self.tally.modules += 1;
                }
                (Err(End::Unlinkable), Err(End::Unlinkable)) => {
                    let why =
                        "imports what is not there: from a module that is outside, or from another engine";
                    *self.tally.outside.entry(why.to_owned()).or_default() += 1;
                }
                (one, other) => self.differ(&format!("instantiation: {one:?} and {other:?}")),
            }
        }
        self.plain.take(name.as_deref(), plain);
        self.rewritten.take(name.as_deref(), rewritten);
    }

    /// Does something in both forms: it must end equally, in the way that is wanted and with the results that are wanted.
    fn execute(&mut self, exec: WastExecute<'_>, results: Option<&[WastRet<'_>]>, wanted: fn(&End) -> bool) {
        let ends = match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => self.instantiate(module),
            WastExecute::Get { module, global, .. } => {
                let module = text_of(module);
                let get = |world: &mut World| {
                    world.instance(module.as_deref()).map(|instance| world.global(instance, global))
                };
                get(&mut self.plain).zip(get(&mut self.rewritten)).ok_or(OUTSIDE)
            }
        };
        let (plain, rewritten) = match ends {
            Ok(ends) => ends,
            Err(why) => return self.tally.skip(why),
        };
        if !wanted(&plain) || !wanted(&rewritten) {
            return self.unwanted(&plain, &rewritten, "another sort of end");
        }
        match (results, &plain, &rewritten) {
            (Some(results), End::Values(one), End::Values(other)) => {
                let wanted =
                    expected(Form::Plain, one, results).zip(expected(Form::Rewritten, other, results));
                match wanted {
                    Some((true, true)) => self.tally.equal += 1,
                    None => self.tally.skip(LATER),
                    _ => self.unwanted(&plain, &rewritten, &format!("{results:?}")),
                }
            }
            // An action's results are not looked at by the suite, and may be NaNs.
            _ if plain == rewritten || results.is_none() && matches!(plain, End::Values(_)) => {
                self.tally.equal += 1;
            }
            _ => self.differ(&format!("plain {plain:?}, rewritten {rewritten:?}")),
        }
    }

    /// An end that the suite does not want. Where a module that came before is outside, its effects are missing in both
    /// forms.
    fn unwanted(&mut self, plain: &End, rewritten: &End, wanted: &str) {
        if plain == rewritten && !self.tally.outside.is_empty() {
            return self.tally.skip(AFTER);
        }
        self.differ(&format!("plain {plain:?}, rewritten {rewritten:?}, wanted {wanted}"));
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<(End, End), &'static str> {
        let args: Option<Vec<_>> = invoke.args.iter().map(argument).collect();
        let module = text_of(invoke.module);
        let of = |world: &World| world.instance(module.as_deref());
        let (plain, rewritten) = of(&self.plain).zip(of(&self.rewritten)).ok_or(OUTSIDE)?;
        let args = args.ok_or(LATER)?;
        let plain = self.plain.call(plain, invoke.name, &args);
        Ok((plain, self.rewritten.call(rewritten, invoke.name, &args)))
    }

    /// A module that is only there to be instantiated.
    fn instantiate(&mut self, module: Wat<'_>) -> Result<(End, End), &'static str> {
        let both = self.both(QuoteWat::Wat(module)).ok_or(OUTSIDE)?;
        self.tally.modules += 1;
        let end = |result: Result<_, End>| result.map_or_else(|end| end, |_| End::Values(Vec::new()));
        let plain = end(self.plain.instantiate(&both.plain));
        Ok((plain, end(self.rewritten.instantiate(&both.rewritten))))
    }

    /// A module that must not pass.
    fn refused(&mut self, mut module: QuoteWat<'_>) {
        let Ok(bytes) = module.encode() else { return self.tally.skip(TEXT) };
        match rewrite(&bytes, features(), &OPTIONS) {
            Err(_) => self.tally.equal += 1,
            Ok(_) if self.name.starts_with("proposals/") && valid(&bytes, features()) => {
                self.tally.skip(OLDER);
            }
            Ok(_) => self.differ("a module that is not valid is rewritten"),
        }
    }
}

/// What a module needs that is not admitted.
fn outside(module: &[u8], error: &brizo_meter::Error) -> String {
    let error = error.to_string().split(" (at").next().unwrap_or_default().to_owned();
    if !valid(module, WasmFeatures::all()) {
        return format!("valid with no features: {error}");
    }
    let missing: Vec<_> = (WasmFeatures::all() - features())
        .iter_names()
        .filter(|(_, feature)| !valid(module, WasmFeatures::all() - *feature))
        .map(|(name, _)| name.to_lowercase())
        .collect();
    if missing.is_empty() { error } else { format!("uses {}", missing.join(", ")) }
}

fn valid(module: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features).validate_all(module).is_ok()
}
