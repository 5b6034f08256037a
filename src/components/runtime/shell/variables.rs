//! The variables of a shell: scalars and arrays, exported, read-only, local to functions.

use super::request::Exported;
use crate::api::Text;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An array longer than this is a mistake.
const MAX_INDEX: i64 = 1 << 20;

/// A value longer than this comes from a loop that doubles it.
const MAX_LENGTH: usize = 1 << 20;

/// One variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variable {
    /// `None`: declared by `export name` or `local name`, but without a value.
    value: Option<Value>,
    exported: bool,
    read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Scalar(String),
    Array(BTreeMap<i64, String>),
}

/// All variables. Cloning shares them until one side changes something: subshells and forks are cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    values: Arc<BTreeMap<String, Variable>>,
    /// For each function that runs, what its `local` variables hide.
    hidden: Vec<BTreeMap<String, Option<Variable>>>,
    /// What commands get, if nothing exported has changed since.
    environment: Option<Arc<Exported>>,
}

impl Variables {
    /// Variables as a process gets them: all exported.
    pub fn from_environment(environment: &Exported) -> Self {
        let exported =
            |value: &Text| Variable { value: Some(Value::Scalar(value.to_string())), exported: true, read_only: false };
        let values = environment.iter().map(|(name, value)| (name.to_string(), exported(value))).collect();
        Self { values: Arc::new(values), hidden: Vec::new(), environment: None }
    }

    /// What a command started now would get.
    pub fn environment(&mut self) -> Arc<Exported> {
        let environment = self.environment.get_or_insert_with(|| {
            let exported = self.values.iter().filter(|(_, variable)| variable.exported);
            let pairs = exported.filter_map(|(name, it)| Some((name.clone().into(), it.scalar()?.into())));
            Arc::new(pairs.collect())
        });
        Arc::clone(environment)
    }

    /// The value of a variable; of an array, its first element.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.scalar()
    }

    /// An element; a negative index counts from the end.
    pub fn element(&self, name: &str, index: i64) -> Option<&str> {
        match self.values.get(name)?.value.as_ref()? {
            Value::Scalar(text) => (index == 0 || index == -1).then_some(text),
            Value::Array(elements) => {
                let end = elements.last_key_value().map_or(0, |(last, _)| last + 1);
                elements.get(&if index < 0 { index + end } else { index }).map(String::as_str)
            }
        }
    }

    /// All elements, with their indices.
    pub fn elements(&self, name: &str) -> Vec<(i64, &str)> {
        match self.values.get(name).and_then(|variable| variable.value.as_ref()) {
            Some(Value::Scalar(text)) => vec![(0, text)],
            Some(Value::Array(elements)) => elements.iter().map(|(index, text)| (*index, text.as_str())).collect(),
            None => Vec::new(),
        }
    }

    /// The variables that have a value, by name.
    pub fn scalars(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().filter_map(|(name, variable)| Some((name.as_str(), variable.scalar()?)))
    }

    /// The names that are exported, with their values.
    pub fn exported(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.values.iter().filter(|(_, it)| it.exported).map(|(name, it)| (name.as_str(), it.scalar()))
    }

    fn change(&mut self, name: &str) -> Result<&mut Variable, String> {
        let values = Arc::make_mut(&mut self.values);
        let variable = match values.contains_key(name) {
            true => values.get_mut(name).expect("it is there"),
            false => values.entry(name.to_owned()).or_default(),
        };
        if variable.exported {
            self.environment = None;
        }
        if variable.read_only { Err(format!("{name}: is read only")) } else { Ok(variable) }
    }

    /// Assigns. Fails, in words, if the variable is read-only.
    pub fn set(&mut self, name: &str, text: String) -> Result<(), String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("{name}: value too long"));
        }
        let variable = self.change(name)?;
        match &mut variable.value {
            Some(Value::Array(elements)) => {
                elements.insert(0, text);
            }
            Some(Value::Scalar(_)) | None => variable.value = Some(Value::Scalar(text)),
        }
        Ok(())
    }

    /// Assigns an element, making the variable an array.
    pub fn set_element(&mut self, name: &str, index: i64, text: String) -> Result<(), String> {
        let end = self.elements(name).last().map_or(0, |(last, _)| last + 1);
        let index = if index < 0 { index + end } else { index };
        if !(0..MAX_INDEX).contains(&index) || text.len() > MAX_LENGTH {
            return Err(format!("{name}[{index}]: bad array subscript"));
        }
        let variable = self.change(name)?;
        match &mut variable.value {
            Some(Value::Array(elements)) => {
                elements.insert(index, text);
            }
            Some(Value::Scalar(first)) => {
                let elements = BTreeMap::from([(0, std::mem::take(first)), (index, text)]);
                variable.value = Some(Value::Array(elements));
            }
            None => variable.value = Some(Value::Array(BTreeMap::from([(index, text)]))),
        }
        Ok(())
    }

    /// Assigns a whole array, or adds to its end.
    pub fn set_array(&mut self, name: &str, items: Vec<String>, append: bool) -> Result<(), String> {
        let start = if append { self.elements(name).last().map_or(0, |(last, _)| last + 1) } else { 0 };
        let mut elements: BTreeMap<i64, String> = BTreeMap::new();
        if append {
            elements.extend(self.elements(name).into_iter().map(|(index, text)| (index, text.to_owned())));
        }
        elements.extend((start..).zip(items));
        if elements.len() as i64 > MAX_INDEX || elements.values().map(String::len).sum::<usize>() > MAX_LENGTH {
            return Err(format!("{name}: array too long"));
        }
        self.change(name)?.value = Some(Value::Array(elements));
        Ok(())
    }

    /// Forgets a variable.
    pub fn unset(&mut self, name: &str) -> Result<(), String> {
        if self.values.contains_key(name) {
            self.change(name)?;
            Arc::make_mut(&mut self.values).remove(name);
        }
        Ok(())
    }

    /// Forgets an element of an array.
    pub fn unset_element(&mut self, name: &str, index: i64) -> Result<(), String> {
        if self.values.contains_key(name)
            && let Some(Value::Array(elements)) = &mut self.change(name)?.value
        {
            elements.remove(&index);
        }
        Ok(())
    }

    /// Marks a variable as exported, or no longer.
    pub fn export(&mut self, name: &str, exported: bool) {
        self.environment = None;
        Arc::make_mut(&mut self.values).entry(name.to_owned()).or_default().exported = exported;
    }

    /// Marks a variable as read-only.
    pub fn protect(&mut self, name: &str) {
        Arc::make_mut(&mut self.values).entry(name.to_owned()).or_default().read_only = true;
    }

    /// A function starts.
    pub fn enter(&mut self) {
        self.hidden.push(BTreeMap::new());
    }

    /// A function ends: what its local variables hid comes back.
    pub fn leave(&mut self) {
        for (name, before) in self.hidden.pop().unwrap_or_default() {
            self.restore(name, before);
        }
    }

    /// Makes a variable local to the running function. Outside of functions nothing happens, and false is returned.
    pub fn make_local(&mut self, name: &str) -> bool {
        let before = self.values.get(name).cloned();
        let Some(hidden) = self.hidden.last_mut() else { return false };
        if !hidden.contains_key(name) {
            self.environment = None;
            let exported = before.as_ref().is_some_and(|variable| variable.exported);
            hidden.insert(name.to_owned(), before);
            let fresh = Variable { exported, ..Variable::default() };
            Arc::make_mut(&mut self.values).insert(name.to_owned(), fresh);
        }
        true
    }

    /// A variable as it is, to [`Variables::restore`] it later.
    pub fn snapshot(&self, name: &str) -> Option<Variable> {
        self.values.get(name).cloned()
    }

    /// Puts a variable back as it was.
    pub fn restore(&mut self, name: String, before: Option<Variable>) {
        self.environment = None;
        let values = Arc::make_mut(&mut self.values);
        match before {
            Some(variable) => values.insert(name, variable),
            None => values.remove(&name),
        };
    }
}

impl Variable {
    fn scalar(&self) -> Option<&str> {
        match self.value.as_ref()? {
            Value::Scalar(text) => Some(text),
            Value::Array(elements) => elements.get(&0).map(String::as_str),
        }
    }
}
