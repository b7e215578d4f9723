//! Where loadrun keeps what is no result: the journals of what is broken.
//!
//! Not beside the results: whoever runs the next script may do so from another folder, and has to
//! find what the last one left broken.

use std::path::PathBuf;

/// The folder of journals: `$XDG_STATE_HOME/loadrun`, else `~/.local/state/loadrun`; where there is
/// no home, in the folder for temporary files.
pub fn journals() -> PathBuf {
    let given = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || given("HOME").map(|home| home.join(".local/state"));
    let state = given("XDG_STATE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir);
    state.join("loadrun")
}
