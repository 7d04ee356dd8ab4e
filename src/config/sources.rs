//! Where the configuration comes from, and how it becomes one tree: files in order, then the
//! environment. Every mistake of shape is found, not the first.

use std::{
    collections::HashMap,
    fmt, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, ErrorKind},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use config::{ConfigError, Environment, File, FileFormat, Value, ValueKind};
use secrecy::zeroize::Zeroizing;
use serde_path_to_error::Segment;

use super::{Problem, later, raw::Raw};

/// Read when no file is named.
const DEFAULT_FILE: &str = "/etc/anc-healthd/config.toml";

/// `ANC_HEALTHD__SECTION__KEY`.
const PREFIX: &str = "ANC_HEALTHD";

/// Behind the name of a field that something cannot do without.
const IS_MISSING: &str = " is missing";

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

    /// Whether there is a configuration to read: files that were named are missed, the default one
    /// is not.
    pub fn exist(&self) -> bool {
        self.files != [Path::new(DEFAULT_FILE)] || Path::new(DEFAULT_FILE).exists()
    }

    /// Where the daemon listens as far as can be told, whatever else is wrong with the files.
    pub fn listen(&self) -> SocketAddr {
        let (shaped, _) = self.read(&mut Watched::default());
        shaped.map_or_else(Raw::default, |shaped| shaped.raw).server.listen
    }

    /// What paths in the configuration are relative to: the folder of the first file.
    pub(super) fn folder(&self) -> &Path {
        self.files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""))
    }

    /// The merged tree in its shape, and everything that does not fit; no tree where a file could
    /// not be read, because nothing can be said to be missing then.
    pub(super) fn read(&self, watched: &mut Watched) -> (Option<Shaped>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut builder = config::Config::builder();
        for file in &self.files {
            match read_file(file, watched) {
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
                let (shaped, more) = shape(tree.cache);
                problems.extend(more);
                (whole.then_some(shaped), problems)
            }
            Err(error) => {
                problems.push(Problem::new("environment", error));
                (None, problems)
            }
        }
    }
}

/// The file's text, known to be TOML.
fn read_file(file: &Path, watched: &mut Watched) -> Result<String, Problem> {
    let problem = |wrong: String| Problem::new(file.display(), wrong);
    let text = watched.read(file).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    });
    let text = text.map_err(|error| {
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

/// The files that a configuration was made from, those that it names included, and what they held.
///
/// Contents are compared, not dates or inodes: Kubernetes changes a configuration by swapping a
/// symbolic link. A file that could not be read is watched as well, because it may come.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Watched(Vec<(PathBuf, Option<u64>)>);

impl Watched {
    /// Whether any of the files holds something else by now.
    pub fn changed(&self) -> bool {
        self.0.iter().any(|(file, held)| {
            let holds = fs::read(file).ok().map(Zeroizing::new);
            hash(holds.as_ref().map(|holds| holds.as_slice())) != *held
        })
    }

    /// What the file holds, remembered as what the configuration was made from.
    pub(super) fn read(&mut self, file: &Path) -> io::Result<Vec<u8>> {
        let read = fs::read(file);
        self.0.push((file.to_owned(), hash(read.as_ref().ok().map(Vec::as_slice))));
        read
    }
}

/// Without the hashes: one of them may be a password's, and tells whether a guess is right.
impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(file, _)| file)).finish()
    }
}

fn hash(contents: Option<&[u8]>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    contents?.hash(&mut hasher);
    Some(hasher.finish())
}

/// Gives the tree its shape. Serde stops at the first mistake; so that mistake is noted, taken
/// out of the tree, and the rest tried again.
fn shape(mut tree: Value) -> (Shaped, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut removed = Vec::new();
    while problems.len() < MOST_PROBLEMS {
        let error = match serde_path_to_error::deserialize::<_, Raw>(tree.clone()) {
            Ok(raw) => return (Shaped { raw, removed }, problems),
            Err(error) => error,
        };
        let path: Vec<Step> = error.path().iter().filter_map(Step::of).collect();
        let key = print(&path, &removed);
        let wrong = message(error.inner());
        // What was taken out because it is wrong is not also missing.
        let taken_out = wrong.strip_suffix(IS_MISSING);
        let told = taken_out.is_some_and(|field| {
            problems.iter().any(|problem: &Problem| problem.key == format!("{key}.{field}"))
        });
        if !told {
            let wrong = later::refusal(&key, &wrong).unwrap_or(wrong);
            problems.push(Problem::new(key, wrong));
        }
        match remove(&mut tree, &path) {
            Some(Removed::Key) => (),
            Some(Removed::Element(array, index)) => removed.push((array, index)),
            None => break,
        }
    }
    (Shaped { raw: Raw::default(), removed }, problems)
}

/// The tree in its shape, and the array elements that it lost on the way.
pub(super) struct Shaped {
    pub(super) raw: Raw,
    removed: Vec<(Vec<Step>, usize)>,
}

impl Shaped {
    /// Gives a key of the tree the indices that the file has.
    pub(super) fn as_written(&self, key: &str) -> String {
        let steps: Vec<Step> = key.split('.').flat_map(Step::parse).collect();
        print(&steps, &self.removed)
    }
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
    /// `name[1]` are two.
    fn parse(part: &str) -> Vec<Self> {
        let mut pieces = part.split('[');
        let name = pieces.next().map(|name| Self::Key(name.to_owned()));
        let index = |piece: &str| Some(Self::Index(piece.trim_end_matches(']').parse().ok()?));
        name.into_iter().chain(pieces.filter_map(index)).collect()
    }

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
    if let ConfigError::NotFound(path) = error {
        let field = path.rsplit(['.', ']']).next().unwrap_or(path);
        return format!("{field}{IS_MISSING}");
    }
    let text = if let ConfigError::Type { unexpected, expected, origin, .. } = error {
        format!("invalid type: {unexpected}, expected {expected}{}", place(origin.as_deref()))
    } else {
        error.to_string()
    };
    let text = text
        .replace('\n', " ")
        .replace("expected a duration", "expected a duration such as 90s or 5m")
        .replace("invalid socket address syntax", "no address and port such as 0.0.0.0:9815");
    unknown_word(&text).unwrap_or(text)
}

/// The crate's `enum Category does not have variant constructor Nope`, in an operator's words.
fn unknown_word(text: &str) -> Option<String> {
    let (kind, word) =
        text.strip_prefix("enum ")?.split_once(" does not have variant constructor ")?;
    let schema = super::Config::schema();
    let definition = &schema["$defs"][kind];
    // Words with a description of their own stand apart from those without.
    let groups = definition["oneOf"].as_array().into_iter().flatten().chain([definition]);
    let known: Vec<&str> = groups
        .flat_map(|group| group["enum"].as_array().into_iter().flatten().chain([&group["const"]]))
        .filter_map(|word| word.as_str())
        .collect();
    let word = word.split_whitespace().next().unwrap_or(word);
    Some(format!("\"{word}\" is none of {}", known.join(", ")))
}

fn place(origin: Option<&str>) -> String {
    origin.map(|origin| format!(" (in {origin})")).unwrap_or_default()
}
