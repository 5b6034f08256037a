//! Names and texts: interned where they repeat, shared where they do not.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use ustr::Ustr;

/// An interned string: the name of an object, a node, a container, a label or a reason.
///
/// Eight bytes, `Copy`, compared by address and ordered by text. Names live as long as the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(Ustr);

impl Name {
    /// The interned form of a text.
    pub fn new(text: &str) -> Self {
        Self(Ustr::from(text))
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

impl Default for Name {
    /// The empty name.
    fn default() -> Self {
        *EMPTY
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self == other { std::cmp::Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.precomputed_hash());
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

/// Declares names that the program knows by heart, interned once.
macro_rules! names {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$meta])* #[doc = concat!("`", $text, "`")]
        pub static $name: std::sync::LazyLock<$crate::api::Name> =
            std::sync::LazyLock::new(|| $crate::api::Name::new($text));)*
    };
}
pub(crate) use names;

names! {
    EMPTY = "";
}

/// A private look-up by small keys such as names and handles; never iterated.
pub type FastMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<rustc_hash::FxHasher>>;

/// A text that is not worth interning, such as a message; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Option<Arc<str>>);

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        let text = text.as_ref();
        Self((!text.is_empty()).then(|| Arc::from(text)))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer).map(Self::from)
    }
}

/// A short immutable list that objects share when they are copied; nothing is allocated for an empty one.
#[derive(PartialEq, Eq, Hash)]
pub struct List<T>(Option<Arc<[T]>>);

impl<T> List<T> {
    /// The empty list.
    pub const EMPTY: Self = Self(None);
}

impl<T: Clone> List<T> {
    /// This list with one more element.
    #[must_use]
    pub fn with(&self, element: T) -> Self {
        self.iter().cloned().chain([element]).collect()
    }

    /// This list without the elements that fail a test.
    #[must_use]
    pub fn retain(&self, keep: impl Fn(&T) -> bool) -> Self {
        if self.iter().all(&keep) {
            return self.clone();
        }
        self.iter().filter(|element| keep(element)).cloned().collect()
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.0.as_deref().unwrap_or(&[])
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Vec::from_iter(elements).into()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(elements: Vec<T>) -> Self {
        Self((!elements.is_empty()).then(|| elements.into()))
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self[..].serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_by_text_and_ordered_by_text() {
        let (b, a) = (Name::new("bravo"), Name::new("alpha"));
        assert_eq!(a, Name::new(&String::from("alpha")));
        assert!(a < b);
        assert_eq!(Name::default(), "");
    }

    #[test]
    fn lists_are_shared_until_they_change() {
        let one: List<u8> = vec![1, 2].into();
        assert_eq!(&one.retain(|_| true)[..], [1, 2]);
        assert_eq!(&one.with(3)[..], [1, 2, 3]);
        assert_eq!(one.retain(|&n| n > 2), List::EMPTY);
    }
}
