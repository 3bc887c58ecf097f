//! One definition per option: its flag, its key in `peruri.toml`, its default, its help.

use std::fmt::Display;

/// Help of an option that says what holds without it; an empty text goes without saying.
pub(super) fn with_default(help: &str, default: &impl Display) -> String {
    let default = default.to_string();
    if default.is_empty() { help.to_owned() } else { format!("{help} [default: {default}]") }
}

/// Defines a section of options as two structs: `$args`, in which every value may be absent (command
/// line and file), and `$config`, in which every value is decided.
macro_rules! options {
    (
        $(#[$doc:meta])*
        $args:ident => $config:ident, $heading:literal
        { $( $field:ident : $ty:ty = $default:expr, $long:literal, $help:literal; )* }
        optional { $( $opt:ident : $opt_ty:ty, $opt_long:literal, $opt_help:literal; )* }
    ) => {
        $(#[$doc])*
        ///
        /// As given on the command line or in the file: absent values are `None`.
        #[derive(Debug, Clone, Default, PartialEq, clap::Args, serde::Deserialize)]
        #[command(next_help_heading = $heading)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct $args {
            $(
                #[doc = $help]
                #[arg(
                    id = $long, long = $long, num_args = 0..=1, require_equals = false,
                    default_missing_value = "true",
                    value_name = stringify!($ty),
                    help = $crate::config::macros::with_default($help, &<$ty>::from($default))
                )]
                pub $field: Option<$ty>,
            )*
            $(
                #[doc = $opt_help]
                #[arg(id = $opt_long, long = $opt_long, value_name = stringify!($opt_ty), help = $opt_help)]
                pub $opt: Option<$opt_ty>,
            )*
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct $config {
            $( #[doc = $help] pub $field: $ty, )*
            $(
                #[doc = $opt_help]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $opt: Option<$opt_ty>,
            )*
        }

        impl $args {
            /// Decides every value: these over `file` over the defaults.
            pub fn over(self, file: Self) -> $config {
                $config {
                    $( $field: self.$field.or(file.$field).unwrap_or_else(|| <$ty>::from($default)), )*
                    $( $opt: self.$opt.or(file.$opt), )*
                }
            }
        }

        impl Default for $config {
            fn default() -> Self {
                $args::default().over($args::default())
            }
        }
    };
}

pub(super) use options;
