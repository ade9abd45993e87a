use super::*;
use crate::dashboard::model::*;
