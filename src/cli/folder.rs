//! The folder a run's results go to, made before the run: a place that is read-only or full is told
//! of first, and not when there is something to lose.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::tell;
use crate::error::Error;

/// What has to fit in: more than an outcome of a thousand series with its page is rare.
const ROOM: u64 = 1 << 20;

/// `results/<script>/<stamp>`; removed again if nothing was put into it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, and sees that results have room in it.
    pub fn make(out: &Path, name: &str) -> Result<Self, Error> {
        let parent = out.join(name);
        let refused = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free the disk, or choose another folder with --out"
                }
                io::ErrorKind::FileTooLarge => {
                    "files may not be that large here (ulimit -f): allow 1 MiB"
                }
                _ => "choose a writable folder with --out",
            };
            Error::usage(format!("cannot write results to {}: {error}", parent.display()), hint)
        };
        let folder = Self(stamped(&parent).map_err(refused)?);
        folder.try_room().map_err(refused)?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes as much as results may be, into a file without a name, which goes by itself.
    fn try_room(&self) -> io::Result<()> {
        let mut file = tempfile::tempfile_in(&self.0)?;
        io::copy(&mut io::repeat(0).take(ROOM), &mut file).map(drop)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0)
            && !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound)
        {
            tell(&format!("could not remove {}: {error}", self.0.display()));
        }
    }
}

/// A new folder with the name of this second.
fn stamped(parent: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(parent)?;
    let stamp = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
    for attempt in 1.. {
        let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let folder = parent.join(format!("{stamp}{suffix}"));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    unreachable!("some suffix is free")
}
