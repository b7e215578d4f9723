//! The scripts named on the command line: files, and folders of them.
//!
//! A folder stands for the Lua files directly in it, by name; a file that another one requires is
//! a part of that one, and not run by itself. All that is wrong with any of them is told at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{SourceArgs, parameters, unreadable};
use crate::error::Error;
use crate::plan::{Problem, nearest};
use crate::script::{self, Loaded};

/// A script that can be run.
pub struct Script {
    /// The path, as it was typed or found in a folder that was.
    pub path: PathBuf,
    /// What it asks for.
    pub loaded: Loaded,
}

/// Whether several scripts may be meant, so that they are told of as one suite.
pub fn is_suite(named: &[PathBuf]) -> bool {
    named.len() > 1 || named.iter().any(|path| path.is_dir())
}

/// Loads all that `named` stands for.
pub fn load(named: &[PathBuf], given: &SourceArgs) -> Result<Vec<Script>, Error> {
    let (mut scripts, mut problems) = (Vec::new(), Vec::new());
    let mut modules = BTreeSet::new();
    let several = is_suite(named);
    let mut failed = Vec::new();
    for found in expanded(named, &mut problems) {
        match loaded(&found.path, given, several) {
            Ok(loaded) => {
                modules.extend(loaded.control.world().required());
                scripts.push((found.in_folder, Script { path: found.path, loaded }));
            }
            Err(wrong) => failed.push((found, wrong)),
        }
    }
    let is_module = |in_folder: bool, path: &Path| {
        in_folder && path.canonicalize().is_ok_and(|whole| modules.contains(&whole))
    };
    failed.retain(|(found, _)| !is_module(found.in_folder, &found.path));
    scripts.retain(|(in_folder, script)| !is_module(*in_folder, &script.path));
    problems.extend(failed.into_iter().flat_map(|(_, wrong)| wrong));
    let scripts: Vec<Script> = scripts.into_iter().map(|(_, script)| script).collect();
    if several && problems.is_empty() {
        problems.extend(unknown_to_all(&scripts, given)?);
    }
    if problems.is_empty() { Ok(scripts) } else { Err(problems.into()) }
}

fn loaded(path: &Path, given: &SourceArgs, several: bool) -> Result<Loaded, Vec<Problem>> {
    let source = given.read(path)?;
    script::load_as(source, &given.profiles, several)
}

/// Parameters and profiles that no script declares.
fn unknown_to_all(scripts: &[Script], given: &SourceArgs) -> Result<Vec<Problem>, Vec<Problem>> {
    let plans = || scripts.iter().map(|script| &script.loaded.plan);
    let declared: Vec<_> = plans().flat_map(|p| &p.parameters).map(|p| p.name.as_str()).collect();
    let profiles: Vec<_> = plans().flat_map(|p| &p.profiles).map(|p| p.name.as_str()).collect();
    let hint = |name: &str, among: &[&str], all: &str| match nearest(name, among.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`loadrun check` lists {all}"),
    };
    let given_names = parameters(&given.params)?.into_keys();
    let unknown = given_names.filter(|name| !declared.contains(&name.as_str())).map(|name| {
        Problem::new(format!("no script has a parameter `{name}`")).hint(hint(
            &name,
            &declared,
            "what parameters they have",
        ))
    });
    let absent = given.profiles.iter().filter(|name| !profiles.contains(&name.as_str()));
    let absent = absent.map(|name| {
        Problem::new(format!("no script has a profile `{name}`")).hint(hint(
            name,
            &profiles,
            "what profiles they have",
        ))
    });
    Ok(unknown.chain(absent).collect())
}

struct Found {
    path: PathBuf,
    in_folder: bool,
}

/// The files that are meant, in order.
fn expanded(named: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Found> {
    let mut found = Vec::new();
    for path in named {
        if !path.is_dir() {
            found.push(Found { path: path.clone(), in_folder: false });
            continue;
        }
        match inside(path) {
            Ok(inside) if inside.is_empty() => problems.push(
                Problem::new(format!("no Lua file in {}", path.display()))
                    .hint("name a folder with scripts directly in it, or a script"),
            ),
            Ok(inside) => {
                found.extend(inside.into_iter().map(|path| Found { path, in_folder: true }));
            }
            Err(error) => problems.extend(unreadable(path, &error)),
        }
    }
    found
}

/// The Lua files directly in a folder, by name; hidden ones are left alone.
fn inside(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|e| e == "lua") && !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
