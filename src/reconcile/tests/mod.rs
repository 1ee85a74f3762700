mod acceptance;
mod model;
mod passes;
mod planner;
