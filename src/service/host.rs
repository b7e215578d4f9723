//! What a server needs of this machine: its program, a port, and a name that
//! nobody guesses.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::ServiceError;

/// A program of a server, and where it comes from.
pub(super) struct Wanted {
    /// What its file may be called, the most usual name first.
    pub(super) names: &'static [&'static str],
    /// Folders it may be in when `PATH` does not lead to it; a part with `*` is any such folder,
    /// the highest version first.
    pub(super) folders: &'static [&'static str],
    /// Packages that bring it, on Debian, Fedora and macOS.
    pub(super) packages: [&'static str; 3],
}

impl Wanted {
    /// The program's file, or what to install, in one line.
    pub(super) fn find(&self, service: &str) -> Result<PathBuf, ServiceError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let known = self.folders.iter().flat_map(|pattern| matching(pattern));
        std::env::split_paths(&path)
            .chain(known)
            .flat_map(|folder| self.names.iter().map(move |name| folder.join(name)))
            .find(|file| file.is_absolute() && is_program(file))
            .ok_or_else(|| self.missing(service))
    }

    fn missing(&self, service: &str) -> ServiceError {
        let [debian, fedora, macos] = self.packages;
        ServiceError {
            what: format!(
                "service {service:?}: no {} on this machine; install it: apt install {debian} \
                 (Debian), dnf install {fedora} (Fedora), brew install {macos} (macOS)",
                self.names[0]
            ),
            hint: None,
        }
    }
}

/// Whether there is a file that may be run.
pub(super) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The folders a pattern stands for, the highest version first.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let Some((start, end)) = part.split_once('*') else {
            found = found.into_iter().map(|folder| folder.join(part)).collect();
            continue;
        };
        let mut inner: Vec<_> = found
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(start) && name.ends_with(end)
            })
            .collect();
        inner.sort_by_key(|path| std::cmp::Reverse(version(path)));
        found = inner;
    }
    found
}

/// The numbers in a file's name: 9.6 comes before 15.
fn version(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// A port of the loopback interface on which nobody listens at this moment.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Whether somebody else has a port.
pub(super) fn is_taken(port: u16) -> bool {
    let bound = TcpListener::bind(("127.0.0.1", port));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// 128 random bits of the system as 32 digits: a password, or a name that nobody guesses.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "16", "9.10", "other"] {
            fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        let found = matching(&format!("{}/*/bin", root.path().display()));
        let shown: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(root.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(shown, ["16/bin", "15/bin", "9.10/bin", "9.6/bin", "other/bin"]);
        assert_eq!(matching("/no/such/folder"), [Path::new("/no/such/folder")]);
    }

    #[test]
    fn a_program_that_is_nowhere_is_told_in_one_line_with_its_packages() {
        let wanted = Wanted {
            names: &["no-such-server"],
            folders: &["/no/such/*/bin"],
            packages: ["a", "b", "c"],
        };
        let error = wanted.find("cache").unwrap_err();
        assert_eq!(
            error.what,
            "service \"cache\": no no-such-server on this machine; install it: apt install a \
             (Debian), dnf install b (Fedora), brew install c (macOS)"
        );
    }

    #[test]
    fn a_port_somebody_listens_on_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_taken(port));
        drop(listener);
        assert!(!is_taken(port));
    }

    #[test]
    fn no_two_random_names_are_alike() {
        let [one, other] = [random().unwrap(), random().unwrap()];
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
