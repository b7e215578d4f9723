//! `loadrun init [FOLDER]`: a folder of scenarios that runs, that an editor completes and checks, and
//! that a CI system holds every pull request against.
//!
//! Nothing that is there is ever overwritten: a file of one's own is left, and said to be.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::run::print;
use crate::error::Error;
use crate::script::library;

const SMOKE: &str = include_str!("init/smoke.lua");
const LUARC: &str = include_str!("init/luarc.json");
const GITIGNORE: &str = include_str!("init/gitignore");
const WORKFLOW: &str = include_str!("init/workflow.yml");

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder of the scenarios; made where there is none
    #[arg(value_name = "FOLDER", default_value = "load")]
    folder: PathBuf,
}

/// A file to be laid out.
struct File {
    path: PathBuf,
    text: String,
    /// What it is for; none for one of many.
    about: &'static str,
}

/// Lays out what is missing; 0 when all is there.
pub fn run(args: &InitArgs) -> Result<u8, Error> {
    let folder = args.folder.as_path();
    fs::create_dir_all(folder).map_err(|error| refused(folder, &error))?;
    let mut told = Vec::new();
    for file in files(folder)? {
        let laid = lay(&file.path, &file.text).map_err(|error| refused(&file.path, &error))?;
        let word = match laid {
            Laid::Kept => "kept yours",
            Laid::New => "made",
            Laid::Same => "is there",
        };
        if !file.about.is_empty() || matches!(laid, Laid::Kept) {
            told.push(format!("{word}: {}  {}", file.path.display(), file.about).trim().to_owned());
        }
    }
    let shown = folder.display();
    let next = format!(
        "\nnext:\n  loadrun {shown}/smoke.lua               loads the practice target for 30 s\n  \
         loadrun {shown}/smoke.lua -p base=URL   loads a service of yours\n  \
         loadrun {shown}                         runs every script of the folder"
    );
    print(|out| writeln!(out, "{}\n{next}", told.join("\n")))?;
    Ok(0)
}

/// What became of a file.
enum Laid {
    New,
    /// It is there as it would be written.
    Same,
    /// It is there with another text.
    Kept,
}

/// Writes a file where there is none.
fn lay(path: &Path, text: &str) -> io::Result<Laid> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Laid::New),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let same = fs::read(path).is_ok_and(|there| there == text.as_bytes());
            Ok(if same { Laid::Same } else { Laid::Kept })
        }
        Err(error) => Err(error),
    }
}

/// Every file of a folder of scenarios.
fn files(folder: &Path) -> Result<Vec<File>, Error> {
    let whole = folder.canonicalize().map_err(|error| refused(folder, &error))?;
    let root = whole.ancestors().find(|above| above.join(".git").exists()).unwrap_or(&whole);
    let inside = whole.strip_prefix(root).unwrap_or(Path::new(""));
    // As it was typed, but for the way up to the repository.
    let shown_root = match inside.components().count() {
        0 => folder.to_owned(),
        _ if folder.ends_with(inside) => {
            let above = folder.components().count() - inside.components().count();
            folder.components().take(above).collect()
        }
        _ => root.to_owned(),
    };
    let within = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
    let workflow = WORKFLOW
        .replace("{folder}", &within.display().to_string())
        .replace("{version}", env!("CARGO_PKG_VERSION"));
    let own = |name: &str, text: &str, about| {
        let path = if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
        File { path, text: text.to_owned(), about }
    };
    let mut files = vec![
        own("smoke.lua", SMOKE, "a scenario to begin with"),
        own(".luarc.json", LUARC, "tells an editor where the types are"),
        own(".gitignore", GITIGNORE, "leaves results out"),
        File {
            path: shown_root.join(".github/workflows/load.yml"),
            text: workflow,
            about: "runs it on every pull request; read its head",
        },
        own("types/README.md", TYPES, "what `loadrun.` modules take and give, for the editor"),
    ];
    let types =
        library::TYPES.iter().map(|(name, text)| (format!("types/loadrun/{name}.lua"), text));
    let modules = library::LIBRARY.iter().map(|(name, text)| (format!("types/{name}.lua"), text));
    files.extend(types.chain(modules).map(|(name, text)| own(&name, text, "")));
    Ok(files)
}

const TYPES: &str = "\
# Types

For the editor only, written by `loadrun init` and read by no run: every module of loadrun has its own
inside. After an update of loadrun remove this folder, and run `loadrun init` again.
";

fn refused(path: &Path, error: &io::Error) -> Error {
    Error::usage(
        format!("cannot write {}: {error}", path.display()),
        "name a folder that can be written to",
    )
}
