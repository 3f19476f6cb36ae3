//! Our own standard input and output, when they belong to somebody else's conversation.

use tokio::io::{AsyncRead, AsyncWrite};

/// What is read from whoever started us.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;
/// What is written to whoever started us.
pub type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Takes both over. Where they are pipes or sockets they are read and written without a thread in between, and standard
/// output is closed when what is returned is dropped: from here on nothing else of this process can write to it. Must be
/// called on a tokio runtime.
///
/// # Errors
/// When the system refuses.
#[cfg(unix)]
pub fn take() -> std::io::Result<(Input, Output)> {
    use std::os::fd::AsFd as _;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let input: Input = match apart(stdin.as_fd(), stderr.as_fd()) {
        true => ends::reader(stdin.as_fd().try_clone_to_owned()?)?,
        false => Box::new(tokio::io::stdin()),
    };
    if !apart(stdout.as_fd(), stderr.as_fd()) {
        return Ok((input, Box::new(tokio::io::stdout())));
    }
    let output = ends::writer(stdout.as_fd().try_clone_to_owned()?)?;
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&nowhere)?;
    Ok((input, output))
}

/// See the other.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn take() -> std::io::Result<(Input, Output)> {
    Ok((Box::new(tokio::io::stdin()), Box::new(tokio::io::stdout())))
}

/// Are they pipes or sockets of their own? One that is standard error as well must go on to block: it is that of the
/// program that we start, too.
#[cfg(unix)]
fn apart(one: std::os::fd::BorrowedFd<'_>, stderr: std::os::fd::BorrowedFd<'_>) -> bool {
    use nix::sys::stat::{SFlag, fstat};
    let Ok(stat) = fstat(one) else { return false };
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let same = fstat(stderr).is_ok_and(|other| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino));
    !same && (kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK)
}

#[cfg(unix)]
mod ends {
    use super::{Input, Output};
    use std::os::fd::OwnedFd;
    use tokio::net::UnixStream;
    use tokio::net::unix::pipe;

    pub(super) fn reader(fd: OwnedFd) -> std::io::Result<Input> {
        match pipe::Receiver::from_owned_fd(fd.try_clone()?) {
            Ok(pipe) => Ok(Box::new(pipe)),
            Err(_) => Ok(Box::new(socket(fd)?)),
        }
    }

    pub(super) fn writer(fd: OwnedFd) -> std::io::Result<Output> {
        match pipe::Sender::from_owned_fd(fd.try_clone()?) {
            Ok(pipe) => Ok(Box::new(pipe)),
            Err(_) => Ok(Box::new(socket(fd)?)),
        }
    }

    fn socket(fd: OwnedFd) -> std::io::Result<UnixStream> {
        let socket = std::os::unix::net::UnixStream::from(fd);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket)
    }
}
