//! Secrets that lie in the data directory, readable by their owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::Error;

/// The most that such a file may hold; what is longer is not ours.
const MAX_BYTES: u64 = 4096;

/// Makes the data directory, closed to others, unless it is there.
pub(super) fn make_directory(directory: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| {
        failed(
            directory,
            &error,
            "give --data-dir a folder that can be written",
        )
    })
}

/// Makes an empty file, closed to others, unless it is there.
pub(super) fn make_file(path: &Path) -> Result<(), Error> {
    match create(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(path, &error, "make the data directory writable")),
    }
}

/// The secret in the file, its surrounding white space removed.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let hint = "make it readable for the server's user";
    let file = File::open(path).map_err(|error| failed(path, &error, hint))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(path, &error, hint))?;
    Ok(Zeroizing::new(bytes.trim_ascii().to_vec()))
}

/// The secret in the file; when there is no file, `make`'s, written for the next start.
///
/// Two processes that start at once agree: the file appears whole, and the second finds the first's.
pub(super) fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Error>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if !path.exists() {
        let secret = make()?;
        place(path, &secret)
            .map_err(|error| failed(path, &error, "make the data directory writable"))?;
    }
    read(path)
}

/// Writes beside the place and links it in, which fails when another was quicker; then the other's counts.
fn place(path: &Path, secret: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = create(&beside)?;
    let written = file
        .write_all(secret)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&beside, path));
    std::fs::remove_file(&beside)?;
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn failed(path: &Path, error: &std::io::Error, hint: &str) -> Error {
    Error::File {
        path: path.to_owned(),
        problem: format!("{error}; {hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_closed_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pepper");
        let make = |text: &'static [u8]| move || Ok(Zeroizing::new(text.to_vec()));
        assert_eq!(
            read_or_make(&path, make(b"first")).unwrap().as_slice(),
            b"first"
        );
        assert_eq!(
            read_or_make(&path, make(b"second")).unwrap().as_slice(),
            b"first"
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn the_slower_of_two_first_starts_takes_the_other_s_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pepper");
        place(&path, b"first").unwrap();
        place(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap().as_slice(), b"first");
    }
}
