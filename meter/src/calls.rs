//! Who calls whom: which functions count their frames, what the frames of the others take of the stack at most, and
//! which functions look at their entry, and where calls come back, whether fuel is left.
//!
//! Only a function that may be entered again before it has returned can make the stack grow without end. It counts its
//! frame. The frames of all others are taken once, before the program begins: their greatest sum on any path of calls. A
//! call through a table may reach every function that the module *names*: in an element segment, in the initial value of
//! a global or a table, or with `ref.func`.

use std::collections::HashMap;

use wasmparser::FuncType;

/// Fuel that can be used between a function's entry and the next look without its looking on its entry.
pub(crate) const UNSEEN: u64 = 10_000;

/// Fuel that can be used between a function's entry and its end without its looking where calls come back. A function may make
/// hundreds of thousands of calls one after the other, and each may use [`UNSEEN`].
pub(crate) const UNSEEN_IN_CALLS: u64 = 1_000_000;

/// What matters of one function.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Functions that it calls directly, once for each call.
    pub(crate) callees: Vec<u32>,
    /// Types by which it calls through a table.
    pub(crate) indirect: Vec<FuncType>,
    /// Its own type; none of an imported function, which calls nothing.
    pub(crate) ty: Option<FuncType>,
    /// Functions that it names.
    pub(crate) names: Vec<u32>,
    /// Whether it catches exceptions.
    pub(crate) catches: bool,
    /// Fuel for all its regions together, each once.
    pub(crate) cost: u64,
    /// Units of stack that its frame takes.
    pub(crate) frame: u64,
}

/// How a function is treated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// It counts its frame.
    pub(crate) counted: bool,
    /// It looks at its entry whether fuel is left.
    pub(crate) looks: bool,
    /// It looks where calls come back and where exceptions arrive, too.
    pub(crate) looks_on_return: bool,
}

/// What is known of all functions, by their index.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) rules: Vec<Rules>,
    /// Greatest sum of uncounted frames on a path of calls that begins at a function.
    stack: Vec<u64>,
}

impl Calls {
    /// Decides for all functions; imported ones, which come first, have an empty summary.
    pub(crate) fn decide(functions: &[Summary], named: &[u32]) -> Self {
        let graph = Graph::of(functions, named);
        let components = graph.components();
        let mut calls =
            Self { rules: vec![Rules::default(); functions.len()], stack: vec![0; graph.next.len()] };
        // Fuel that can be used from a function's entry to the next look. A loop looks on each turn, or pays ahead for no more than there is, so that all regions
        // count once; what looks on its entry counts nothing for those that call it.
        let mut unseen = vec![0u64; graph.next.len()];
        for component in &components {
            let recursive = component.len() > 1 || graph.next[component[0]].contains(&component[0]);
            let deepest = component.iter().flat_map(|at| &graph.next[*at]).map(|to| calls.stack[*to]).max();
            for at in component {
                calls.stack[*at] = deepest.unwrap_or(0);
                let Some(function) = functions.get(*at) else {
                    unseen[*at] = graph.next[*at].iter().map(|to| unseen[*to]).max().unwrap_or(0);
                    continue;
                };
                let speaks = !function.indirect.is_empty() || !function.callees.is_empty();
                let counted = recursive || (function.catches && speaks);
                if !counted {
                    calls.stack[*at] = calls.stack[*at].saturating_add(function.frame);
                }
                let reached = function.callees.iter().map(|to| *to as usize).chain(graph.by_type(function));
                let cost = reached.fold(function.cost, |sum, to| sum.saturating_add(unseen[to]));
                let looks = counted || cost > UNSEEN;
                unseen[*at] = if looks { 0 } else { cost };
                calls.rules[*at] = Rules { counted, looks, looks_on_return: cost > UNSEEN_IN_CALLS };
            }
        }
        calls
    }

    /// Units of stack for the uncounted frames of whatever a function leads to.
    pub(crate) fn stack(&self, function: u32) -> u64 {
        self.stack.get(function as usize).copied().unwrap_or(0)
    }
}

/// Functions and, behind them, one node for each type by which calls through tables are made.
struct Graph<'f> {
    next: Vec<Vec<usize>>,
    types: HashMap<&'f FuncType, usize>,
}

impl<'f> Graph<'f> {
    fn of(functions: &'f [Summary], named: &[u32]) -> Self {
        let mut types: HashMap<&'f FuncType, usize> = HashMap::new();
        let mut next = Vec::with_capacity(functions.len());
        let mut targets = named.to_vec();
        for function in functions {
            let mut to: Vec<usize> = function.callees.iter().map(|at| *at as usize).collect();
            for ty in &function.indirect {
                let node = functions.len() + types.len();
                to.push(*types.entry(ty).or_insert(node));
            }
            to.sort_unstable();
            to.dedup();
            next.push(to);
            targets.extend(&function.names);
        }
        next.resize_with(functions.len() + types.len(), Vec::new);
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            let ty = functions.get(target as usize).and_then(|function| function.ty.as_ref());
            if let Some(node) = ty.and_then(|ty| types.get(ty)) {
                next[*node].push(target as usize);
            }
        }
        Self { next, types }
    }

    /// The nodes of a function's calls through tables, once for each call.
    fn by_type(&self, function: &Summary) -> impl Iterator<Item = usize> {
        function.indirect.iter().filter_map(|ty| self.types.get(ty).copied())
    }

    /// Tarjan's strongly connected components, callees first. With a stack of its own: a module may be as deep as it is
    /// long.
    fn components(&self) -> Vec<Vec<usize>> {
        const NEW: usize = usize::MAX;
        let mut order = vec![NEW; self.next.len()];
        let mut low = vec![0; self.next.len()];
        let mut open = vec![false; self.next.len()];
        let (mut path, mut pending, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let mut clock = 0;
        for root in 0..self.next.len() {
            if order[root] == NEW {
                pending.push((root, 0));
            }
            while let Some((at, child)) = pending.pop() {
                if child == 0 {
                    (order[at], low[at], open[at]) = (clock, clock, true);
                    clock += 1;
                    path.push(at);
                } else {
                    let to = self.next[at][child - 1];
                    if open[to] {
                        low[at] = low[at].min(low[to]);
                    }
                }
                let mut child = child;
                let mut descends = false;
                while let Some(to) = self.next[at].get(child).copied() {
                    child += 1;
                    if order[to] == NEW {
                        pending.push((at, child));
                        pending.push((to, 0));
                        descends = true;
                        break;
                    }
                    if open[to] {
                        low[at] = low[at].min(order[to]);
                    }
                }
                if descends || low[at] != order[at] {
                    continue;
                }
                let start = path.iter().rposition(|node| *node == at).unwrap_or(0);
                let component = path.split_off(start);
                for node in &component {
                    open[*node] = false;
                }
                found.push(component);
            }
        }
        found
    }
}
