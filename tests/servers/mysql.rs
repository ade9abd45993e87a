//! The warehouse on MySQL and on MariaDB. The servers stay up after the tests; `scripts/mysql down-tests` and
//! `scripts/mariadb down-tests` end them.

mod access;
mod altered;
mod crash;
mod doctor;
mod fixture;
mod locks;
mod made;
mod months;
mod program;
mod proxy;
mod rows;
mod series;
mod settings;
mod upgrade;
