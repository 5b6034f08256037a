//! What a container sees of its files, as tables.

use super::*;
use crate::components::runtime::filesystem::{Mount, Volumes};

/// The root has `/etc/hosts`; `/data` is a volume with `a/b` and `c`; `/cfg/app.conf` is a file of a read-only one.
fn system() -> (FileSystem, Volumes) {
    let mut volumes = Volumes::default();
    let mut data = Directory::default();
    data.insert_file("/a/b", File::new("bee"));
    data.insert_file("/c", File::new("sea").executable());
    let data = volumes.insert(data);
    let mut config = Directory::default();
    config.insert_file("/..data/app.conf", File::new("x=1"));
    config.insert("/app.conf", Node::Symlink("..data/app.conf".into()));
    let config = volumes.insert(config);
    let mut image = Directory::linux();
    image.insert_file("/etc/hosts", File::new("127.0.0.1 localhost\n"));
    image.insert("/link", Node::Symlink("data/a".into()));
    image.insert("/loop", Node::Symlink("/loop".into()));
    let mut system = FileSystem::new(Arc::new(image));
    system.mount(Mount::new("/data", data));
    system.mount(Mount::new("/cfg/app.conf", config).sub_path("app.conf").read_only());
    system.mount(Mount::new("/all-cfg", config).read_only());
    (system, volumes)
}

/// Runs operations in order, each `verb path [argument]`, and compares what each says.
fn check(story: &[(&str, &str)]) {
    let (mut system, mut volumes) = system();
    for (at, (operation, expect)) in story.iter().enumerate() {
        let mut files = system.view(&mut volumes, SimTime::from_secs(at as u64));
        let words: Vec<&str> = operation.split(' ').collect();
        let (path, argument) = (words[1], words.get(2).copied().unwrap_or_default());
        let done = match words[0] {
            "read" => files.read(path).map(|content| String::from_utf8_lossy(content.bytes).into_owned()),
            "list" => files.list(path).map(|names| names.join(" ")),
            "real" => files.canonical(path),
            "says" => files.read_link(path),
            "kind" => files.metadata(path).map(|it| format!("{:?} {}", it.kind, it.length)).ok_or(FileError::NotFound),
            "append" => files.append(path, argument.as_bytes()).map(|()| String::new()),
            "truncate" => files.truncate(path).map(|()| String::new()),
            "mkdir" => files.create_directory(path).map(|()| String::new()),
            "mkdirs" => files.create_directories(path).map(|()| String::new()),
            "symlink" => files.create_symlink(argument, path).map(|()| String::new()),
            "rm" => files.remove_file(path).map(|()| String::new()),
            "rmdir" => files.remove_directory(path).map(|()| String::new()),
            "rmall" => files.remove_all(path).map(|()| String::new()),
            "mv" => files.rename(path, argument).map(|()| String::new()),
            "cp" => files.copy(path, argument).map(|()| String::new()),
            verb => panic!("no verb {verb}"),
        };
        let said = done.unwrap_or_else(|error| error.to_string());
        assert_eq!(said, *expect, "{operation}");
    }
}

#[test]
fn reading_follows_links_and_mounts() {
    check(&[
        ("read /etc/hosts", "127.0.0.1 localhost\n"),
        ("read /etc/../etc//hosts", "127.0.0.1 localhost\n"),
        ("read /nowhere", "No such file or directory"),
        ("read /etc", "Is a directory"),
        ("read /etc/hosts/x", "Not a directory"),
        ("read /loop", "Too many levels of symbolic links"),
        ("read /link/b", "bee"),
        ("real /link/b", "/data/a/b"),
        ("says /link", "data/a"),
        ("says /etc/hosts", "Invalid argument"),
        ("read /dev/null", ""),
        ("kind /dev/null", "Device 0"),
        ("read /cfg/app.conf", "No such file or directory"), // subPath to a link: the kubelet resolves it beforehand.
        ("read /all-cfg/app.conf", "x=1"),
        ("list /data", "a c"),
        ("list /all-cfg", "..data app.conf"),
        ("list /cfg", "app.conf"),
        ("list /data/c", "Not a directory"),
        ("kind /cfg", "Directory 4096"),
        ("list /nowhere", "No such file or directory"),
    ]);
}

#[test]
fn writing_changes_what_is_read() {
    check(&[
        ("append /tmp/x one", ""),
        ("append /tmp/x two", ""),
        ("read /tmp/x", "onetwo"),
        ("kind /tmp/x", "File 6"),
        ("truncate /tmp/x", ""),
        ("read /tmp/x", ""),
        ("append /nowhere/x one", "No such file or directory"),
        ("append /etc one", "Is a directory"),
        ("append /link/new via-link", ""),
        ("read /data/a/new", "via-link"),
        ("append /dev/null gone", ""),
        ("append /all-cfg/app.conf y", "Read-only file system"),
        ("append /all-cfg/new y", "Read-only file system"),
        ("append /cfg/other y", ""),
        ("list /cfg", "app.conf other"),
        ("mkdir /tmp", "File exists"),
        ("mkdir /tmp/a/b", "No such file or directory"),
        ("mkdirs /tmp/a/b", ""),
        ("mkdirs /tmp/a/b", ""),
        ("mkdirs /tmp/x/b", "Not a directory"),
        ("symlink /tmp/l /tmp/a", ""),
        ("append /tmp/l/f deep", ""),
        ("read /tmp/a/f", "deep"),
        ("symlink /tmp/l /x", "File exists"),
    ]);
}

#[test]
fn removing_moving_copying() {
    check(&[
        ("rm /data/c", ""),
        ("rm /data/c", "No such file or directory"),
        ("rm /data/a", "Is a directory"),
        ("rmdir /data/a", "Directory not empty"),
        ("cp /data/a /tmp/a", ""),
        ("read /tmp/a/b", "bee"),
        ("rmall /data/a", ""),
        ("list /data", ""),
        ("rmdir /data", "Device or resource busy"),
        ("append /data/again x", ""),
        ("rmall /data", "Device or resource busy"),
        ("list /data", ""),
        ("mv /tmp/a /data/moved", ""),
        ("read /data/moved/b", "bee"),
        ("list /tmp", ""),
        ("mv /data/moved /data/moved/into", "Invalid argument"),
        ("mv /nowhere /tmp/x", "No such file or directory"),
        ("mv /etc/hosts /tmp", "Is a directory"),
        ("mv /etc/hosts /tmp/hosts", ""),
        ("rm /link", ""),
        ("rm /loop", ""),
        ("rmdir /tmp/hosts", "Not a directory"),
        ("rmall /tmp", ""),
        ("list /tmp", "No such file or directory"),
    ]);
}

#[test]
fn a_read_only_root_leaves_the_mounts_writable() {
    let (mut system, mut volumes) = system();
    system.make_read_only("/why/it/ended");
    let mut files = system.view(&mut volumes, SimTime::ZERO);
    assert_eq!(files.append("/tmp/x", b"x"), Err(FileError::ReadOnly));
    assert_eq!(files.create_directory("/tmp/d"), Err(FileError::ReadOnly));
    assert_eq!(files.remove_file("/etc/hosts"), Err(FileError::ReadOnly));
    assert_eq!(files.remove_directory("/tmp"), Err(FileError::ReadOnly));
    assert_eq!(files.touch("/tmp"), Err(FileError::ReadOnly));
    assert_eq!(files.append("/tmp", b"x"), Err(FileError::IsADirectory));
    assert_eq!(files.create_directories("/tmp"), Ok(()));
    assert_eq!(files.append("/why/not", b"x"), Err(FileError::ReadOnly));
    for path in ["/dev/null", "/dev/shm/x", "/dev/termination-log", "/etc/hosts", "/why/it/ended", "/data/x"] {
        assert_eq!(files.append(path, b"x"), Ok(()), "{path}");
    }
}

#[test]
fn what_would_not_end_is_refused() {
    let (mut system, mut volumes) = system();
    let data = system.mounts.iter().find(|mount| mount.path == "/data").unwrap();
    let again = data.volume;
    system.mount(Mount::new("/again", again));
    let mut files = system.view(&mut volumes, SimTime::ZERO);
    // A directory copied into itself through another mount of the same volume is copied once.
    assert_eq!(files.copy("/again", "/data/copy"), Ok(()));
    assert_eq!(files.list("/data/copy").unwrap(), ["a", "c"]);
    assert_eq!(files.copy("/data", "/data/inner"), Err(FileError::Invalid));
    assert_eq!(files.create_directories(&"/x".repeat(10_000)), Err(FileError::NameTooLong));
    assert_eq!(files.create_directories(&"/x".repeat(2_000)), Ok(()));
    assert_eq!(files.remove_all("/x"), Ok(()));
}

#[test]
fn a_fork_writes_for_itself() {
    let (mut system, mut volumes) = system();
    let (mut system2, mut volumes2) = (system.clone(), volumes.clone());
    system.view(&mut volumes, SimTime::ZERO).append("/data/c", b"!").unwrap();
    system2.view(&mut volumes2, SimTime::ZERO).append("/tmp/only-here", b"!").unwrap();
    assert_eq!(system.view(&mut volumes, SimTime::ZERO).read("/data/c").unwrap().bytes, b"sea!");
    assert_eq!(system2.view(&mut volumes2, SimTime::ZERO).read("/data/c").unwrap().bytes, b"sea");
    assert_eq!(system.view(&mut volumes, SimTime::ZERO).metadata("/tmp/only-here"), None);
}

#[test]
fn a_volume_in_memory_takes_so_many_pages() {
    let mut volumes = Volumes::default();
    let full = volumes.create();
    volumes.limit(full, 3 * 4096 - 1); // Rounded up.
    volumes.limit(full, 1); // It is as large as it was made.
    let other = volumes.create();
    let mut system = FileSystem::default();
    system.mount(Mount::new("/m", full));
    system.mount(Mount::new("/o", other));
    let mut files = system.view(&mut volumes, SimTime::ZERO);
    let length = |files: &Files<'_>, path: &str| files.metadata(path).map(|found| found.length);
    assert_eq!(files.append("/m/a", &[b'x'; 4097]), Ok(()));
    assert_eq!(files.in_memory(), [("/m", 3 * 4096, 2 * 4096)]);
    assert_eq!(files.set_len("/m/b", 5000), Err(FileError::NoSpace));
    assert_eq!(length(&files, "/m/b"), Some(4096));
    // What is left of a page can be written, and a file can be made that takes none.
    assert_eq!(files.append("/m/a", b"more"), Ok(()));
    assert_eq!(files.append("/m/c", b"x"), Err(FileError::NoSpace));
    assert_eq!(length(&files, "/m/c"), Some(0));
    assert_eq!(files.set_len("/m/a", 10), Ok(()));
    assert_eq!(files.append("/m/c", b"x"), Ok(()));
    // So it is for what is copied or moved into it.
    assert_eq!(files.create_directory("/o/d"), Ok(()));
    assert_eq!(files.append("/o/d/e", b"x"), Ok(()));
    assert_eq!(files.rename("/o/d", "/m/d"), Err(FileError::NoSpace));
    assert_eq!(files.copy("/o/d", "/m/d"), Err(FileError::NoSpace));
    assert_eq!(length(&files, "/m/d/e"), Some(0));
    assert_eq!(files.remove_file("/m/b"), Ok(()));
    assert_eq!(files.copy("/o/d/e", "/m/d/e"), Ok(()));
    // Elsewhere there is room.
    assert_eq!(files.set_len("/o/x", 1 << 40), Ok(()));
}
