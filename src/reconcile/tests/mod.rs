mod acceptance;
mod model;
mod planner;
