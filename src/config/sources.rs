//! Where the configuration comes from, and how it becomes one tree: files in order, then the
//! environment. Every mistake of shape is found, not the first.

use std::{
    collections::HashMap,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use config::{ConfigError, Environment, File, FileFormat, Value, ValueKind};
use serde_path_to_error::Segment;

use super::{Problem, later, raw::Raw};

/// Read when no file is named.
const DEFAULT_FILE: &str = "/etc/anc-healthd/config.toml";

/// `ANC_HEALTHD__SECTION__KEY`.
const PREFIX: &str = "ANC_HEALTHD";

/// More mistakes than anyone wants to read at once.
const MOST_PROBLEMS: usize = 200;

/// The files, later ones overriding earlier ones, and the variables that override them all.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<PathBuf>,
    variables: HashMap<String, String>,
}

impl Sources {
    /// `files` as named on the command line, and the process environment.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let prefix = format!("{PREFIX}__");
        // Other programs' variables may hold anything, bytes that are no text included.
        let text = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::with_variables(files, text.filter(|(name, _)| name.starts_with(&prefix)).collect())
    }

    /// `files`, and these variables instead of the process environment.
    pub fn with_variables(files: Vec<PathBuf>, variables: HashMap<String, String>) -> Self {
        let files = if files.is_empty() { vec![DEFAULT_FILE.into()] } else { files };
        Self { files, variables }
    }

    /// What paths in the configuration are relative to: the folder of the first file.
    pub(super) fn folder(&self) -> &Path {
        self.files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""))
    }

    /// A hash of what the files, and those they name, hold now. Contents are compared, not dates
    /// or inodes: Kubernetes changes a configuration by swapping a symbolic link.
    pub fn digest(&self, named: &[PathBuf]) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in self.files.iter().chain(named) {
            fs::read(file).ok().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The merged tree in its shape, and everything that does not fit; no tree where a file could
    /// not be read, because nothing can be said to be missing then.
    pub(super) fn read(&self) -> (Option<Raw>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut builder = config::Config::builder();
        for file in &self.files {
            match read_file(file) {
                Ok(text) => {
                    builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
                }
                Err(problem) => problems.push(problem),
            }
        }
        let environment = Environment::with_prefix(PREFIX)
            .prefix_separator("__")
            .separator("__")
            .source(Some(self.variables.clone()));
        let whole = problems.is_empty();
        match builder.add_source(environment).build() {
            Ok(tree) => {
                let (raw, more) = shape(tree.cache);
                problems.extend(more);
                (whole.then_some(raw), problems)
            }
            Err(error) => {
                problems.push(Problem::new("environment", error));
                (None, problems)
            }
        }
    }
}

/// The file's text, known to be TOML.
fn read_file(file: &Path) -> Result<String, Problem> {
    let problem = |wrong: String| Problem::new(file.display(), wrong);
    let text = fs::read_to_string(file).map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            problem("there is no such file; name it with --config".into())
        } else {
            problem(format!("cannot be read: {error}"))
        }
    })?;
    match toml::from_str::<toml::Table>(&text) {
        Ok(_) => Ok(text),
        // The crate's message names line and column and shows the place.
        Err(error) => Err(problem(error.to_string().trim_end().replace('\n', "\n    "))),
    }
}

/// Gives the tree its shape. Serde stops at the first mistake; so that mistake is noted, taken
/// out of the tree, and the rest tried again.
fn shape(mut tree: Value) -> (Raw, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut removed = Vec::new();
    while problems.len() < MOST_PROBLEMS {
        let error = match serde_path_to_error::deserialize::<_, Raw>(tree.clone()) {
            Ok(raw) => return (raw, problems),
            Err(error) => error,
        };
        let path: Vec<Step> = error.path().iter().filter_map(Step::of).collect();
        let key = print(&path, &removed);
        let wrong = message(error.inner());
        problems.push(match later::refusal(&key) {
            Some(refusal) => Problem::new(key, refusal),
            None => Problem::new(key, wrong),
        });
        match remove(&mut tree, &path) {
            Some(Removed::Key) => (),
            Some(Removed::Element(array, index)) => removed.push((array, index)),
            None => break,
        }
    }
    (Raw::default(), problems)
}

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

enum Removed {
    Key,
    Element(Vec<Step>, usize),
}

impl Step {
    fn of(segment: &Segment) -> Option<Self> {
        match segment {
            Segment::Map { key } => Some(Self::Key(key.clone())),
            Segment::Seq { index } => Some(Self::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        }
    }
}

/// `connections[1].name`, with the indices that the file has: `removed` are elements that the
/// tree has lost.
fn print(path: &[Step], removed: &[(Vec<Step>, usize)]) -> String {
    let mut text = String::new();
    for (depth, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key.as_str()]),
            Step::Index(index) => {
                let lost = removed.iter().filter(|(array, _)| *array == path[..depth]);
                let index =
                    lost.fold(*index, |index, (_, lost)| index + usize::from(*lost <= index));
                text.push_str(&format!("[{index}]"));
            }
        }
    }
    if text.is_empty() { "the configuration".into() } else { text }
}

/// Takes out what `path` leads to, or what holds it where that is no table or array.
fn remove(tree: &mut Value, path: &[Step]) -> Option<Removed> {
    let (last, parents) = path.split_last()?;
    let mut at = &mut *tree;
    for step in parents {
        at = match (step, &mut at.kind) {
            (Step::Key(key), ValueKind::Table(table)) => table.get_mut(key)?,
            (Step::Index(index), ValueKind::Array(array)) => array.get_mut(*index)?,
            _ => return remove(tree, parents),
        };
    }
    match (last, &mut at.kind) {
        (Step::Key(key), ValueKind::Table(table)) if table.contains_key(key) => {
            table.remove(key);
            Some(Removed::Key)
        }
        (Step::Index(index), ValueKind::Array(array)) if *index < array.len() => {
            array.remove(*index);
            Some(Removed::Element(parents.to_vec(), *index))
        }
        _ => remove(tree, parents),
    }
}

/// The mistake alone: which key it is about is told beside it.
fn message(error: &ConfigError) -> String {
    if let ConfigError::At { error, .. } = error {
        return message(error);
    }
    let text = if let ConfigError::Type { unexpected, expected, origin, .. } = error {
        format!("invalid type: {unexpected}, expected {expected}{}", place(origin.as_deref()))
    } else {
        error.to_string()
    };
    text.replace('\n', " ")
}

fn place(origin: Option<&str>) -> String {
    origin.map(|origin| format!(" (in {origin})")).unwrap_or_default()
}
