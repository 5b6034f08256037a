//! How the scheduler is configured: a `KubeSchedulerConfiguration`, as kube-scheduler reads it.

use super::error::{Place, Problem, Problems};
use super::manifest::{self, ManifestError};
use super::objects::moved;
use crate::components::scheduler::config::ConfigurationError;
use crate::components::scheduler::{Registry, SchedulerConfiguration, SchedulerSetup};

/// Reads a configuration in YAML or JSON; `from` is the place of its first character.
///
/// ```
/// use podsim::scenario::{Place, scheduler_setup};
/// let text = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n\
///             - schedulerName: packer\n  plugins: {score: {disabled: [{name: ImageLocality}]}}\n";
/// let setup = scheduler_setup(Place::start_of("s.yaml"), text.as_bytes())?;
/// assert_eq!(setup.profiles[0].scheduler_name, "packer");
/// let wrong = scheduler_setup(Place::start_of("s.yaml"), b"podMaxBackoffSeconds: many").expect_err("no number");
/// let told = wrong.to_string();
/// assert!(told.starts_with("s.yaml:1:1: podMaxBackoffSeconds: \"many\"; write a whole number"), "{told}");
/// # Ok::<(), podsim::scenario::Problems>(())
/// ```
///
/// # Errors
/// Everything that is wrong with it.
pub fn scheduler_setup(from: Place, text: &[u8]) -> Result<SchedulerSetup, Problems> {
    let mut problems = Problems::default();
    let documents = match manifest::load_documents(text) {
        Ok(documents) => documents,
        Err(errors) => {
            let problem = |error: ManifestError| Problem::new(moved(from, error.position), error.found, error.remedy);
            problems.extend(errors.into_iter().map(problem));
            return problems.or(None);
        }
    };
    let [document] = &documents[..] else {
        let found = format!("{} documents", documents.len());
        problems.add(from, found, "write one KubeSchedulerConfiguration");
        return problems.or(None);
    };
    let setup = SchedulerConfiguration::from_value(&document.value)
        .and_then(|configuration| SchedulerSetup::new(configuration, &Registry::default()));
    setup.map_err(|errors| {
        problems.extend(errors.into_iter().map(|ConfigurationError { field, found, remedy }| {
            let place = moved(from, document.positions.find(&field));
            Problem::new(place, format!("{field}: {found}"), remedy)
        }));
        problems
    })
}
